import type { AdmissionRequest, AdmissionResponse, Operation, UserInfo } from '../shared/api/admission.ts';
import { isObject, type JsonObject } from '../shared/api/json.ts';
import { groups } from '../shared/api/names.ts';
import type { KubeObject } from '../shared/api/objects.ts';

/** An AdmissionReview (admission.k8s.io/v1) as it comes in. What goes out is made in respond.ts. */

/** One admission call. Who asks for what is checked; the objects are still whatever the requester sent. */
export interface Review extends Omit<AdmissionRequest<KubeObject>, 'object' | 'oldObject'> {
  readonly object: JsonObject;
  readonly oldObject?: JsonObject;
}

/** The body is not a review that this webhook can rule on. */
export class ReviewError extends Error {
  override readonly name = 'ReviewError';
  /** Set when the review could be read far enough to be answered as a review. */
  readonly uid: string | undefined;

  constructor(message: string, uid?: string) {
    super(message);
    this.uid = uid;
  }
}

/** Characters of a uid, which the answer repeats; the API server's have 36. */
const longestUid = 128;
const ours = { group: groups.cdi, version: 'v1beta1', resource: 'datavolumes' };
export const reviewVersion = 'admission.k8s.io/v1';

/**
 * Reads a parsed body.
 * @throws ReviewError naming the field that is not as admission.k8s.io/v1 has it, with the uid when there is one to answer to.
 */
export function parseReview(body: unknown): Review {
  if (!isObject(body)) throw new ReviewError('the body is not a JSON object but must be an AdmissionReview');
  const { request } = body;
  if (!isObject(request)) throw new ReviewError('request: must be an object; the body must be an AdmissionReview');
  const { uid } = request;
  if (typeof uid !== 'string' || uid === '' || uid.length > longestUid)
    throw new ReviewError('request.uid: must be the text that the answer is to carry');
  const fields = new Fields(uid);
  if (body['kind'] !== 'AdmissionReview' || body['apiVersion'] !== reviewVersion)
    throw fields.fault('kind, apiVersion', `must be AdmissionReview, ${reviewVersion}`);
  const resource = resourceOf(request['resource'], fields);
  if (fields.text(request, 'subResource') !== '')
    throw fields.fault('request.subResource', 'this webhook rules on datavolumes alone, not on a subresource');
  const operation = operationOf(request['operation'], fields);
  const namespace = fields.text(request, 'namespace');
  if (namespace === '') throw fields.fault('request.namespace', 'must not be empty: a DataVolume lives in a namespace');
  return {
    uid,
    operation,
    resource,
    namespace,
    name: fields.text(request, 'name'),
    userInfo: userOf(request['userInfo'], fields),
    dryRun: fields.flag(request, 'dryRun'),
    object: objectOf(request, 'object', namespace, fields),
    ...(operation === 'UPDATE' ? { oldObject: objectOf(request, 'oldObject', namespace, fields) } : {}),
  };
}

/** Reads the fields of one request; what is wrong is reported to the uid of the request. */
class Fields {
  readonly #uid: string;

  constructor(uid: string) {
    this.#uid = uid;
  }

  fault(path: string, why: string): ReviewError {
    return new ReviewError(`${path}: ${why}`, this.#uid);
  }

  /** Go leaves empty texts out, so absent and empty mean the same. */
  text(from: JsonObject, key: string): string {
    const value = from[key] ?? '';
    if (typeof value !== 'string') throw this.fault(`request.${key}`, 'must be a text');
    return value;
  }

  flag(from: JsonObject, key: string): boolean {
    const value = from[key] ?? false;
    if (typeof value !== 'boolean') throw this.fault(`request.${key}`, 'must be true or false');
    return value;
  }

  texts(value: unknown, path: string): readonly string[] {
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw this.fault(path, 'must be a list of texts');
    return value;
  }
}

function resourceOf(value: unknown, fields: Fields): Review['resource'] {
  const { group, version, resource } = isObject(value) ? value : {};
  if (group !== ours.group || version !== ours.version || resource !== ours.resource)
    throw fields.fault(
      'request.resource',
      `this webhook rules on ${ours.resource}.${ours.group}/${ours.version} and on nothing else`,
    );
  return ours;
}

function operationOf(value: unknown, fields: Fields): Operation {
  if (value === 'CREATE' || value === 'UPDATE') return value;
  throw fields.fault('request.operation', 'this webhook rules on CREATE and UPDATE only');
}

function userOf(value: unknown, fields: Fields): UserInfo {
  if (!isObject(value)) throw fields.fault('request.userInfo', 'must be an object');
  const { username, uid, groups = [], extra = {} } = value;
  if (typeof username !== 'string' || username === '')
    throw fields.fault('request.userInfo.username', 'must be the name of the user who asks');
  if (uid !== undefined && typeof uid !== 'string') throw fields.fault('request.userInfo.uid', 'must be a text');
  if (!isObject(extra)) throw fields.fault('request.userInfo.extra', 'must be an object');
  const extras = Object.entries(extra).map(([key, values]): [string, readonly string[]] => [
    key,
    fields.texts(values, `request.userInfo.extra[${JSON.stringify(key)}]`),
  ]);
  return {
    username,
    ...(uid === undefined || uid === '' ? {} : { uid }),
    groups: fields.texts(groups, 'request.userInfo.groups'),
    extra: Object.fromEntries(extras),
  };
}

function objectOf(request: JsonObject, key: 'object' | 'oldObject', namespace: string, fields: Fields): JsonObject {
  const object = request[key];
  const metadata = isObject(object) ? object['metadata'] : undefined;
  if (!isObject(object) || !isObject(metadata))
    throw fields.fault(`request.${key}`, 'must be a DataVolume with metadata');
  if (object['kind'] !== 'DataVolume' || object['apiVersion'] !== `${ours.group}/${ours.version}`)
    throw fields.fault(`request.${key}`, `must be of kind DataVolume, ${ours.group}/${ours.version}`);
  const own = metadata['namespace'] ?? '';
  if (own !== '' && own !== namespace)
    throw fields.fault(`request.${key}.metadata.namespace`, 'must be the namespace of the request');
  return object;
}

/** The answer in the envelope that the API server reads. */
export function reviewOf(response: AdmissionResponse): object {
  return { apiVersion: reviewVersion, kind: 'AdmissionReview', response };
}
