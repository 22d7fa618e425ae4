import type { UserInfo } from '../api/admission.ts';
import type { CloneSource } from '../api/datavolume.ts';
import { isObject } from '../api/json.ts';
import { sourceSubresource } from '../api/names.ts';
import type { KubeObject, SubjectAccessReview } from '../api/objects.ts';
import type { CallOptions, Client } from '../kube/client.ts';
import { ApiError } from '../kube/errors.ts';
import {
  apiVersionOf,
  claims,
  dataVolumes,
  localSubjectAccessReviews,
  pods,
  type Resource,
  subjectAccessReviews,
} from '../kube/resource.ts';
import type { AccessPolicy, AccessRule } from './policy.ts';

export { type AccessPolicy, type AccessRule, accessPolicyOf, strictPolicy } from './policy.ts';

/** May this user clone from this source? The API server's authorizers are asked; nothing is remembered between two questions. */

export type Access =
  | { readonly allowed: true; readonly rule: AccessRule; readonly reason?: string }
  /** The reason is the authorizer's own words. For logs: it may name roles and bindings that the user is not meant to know. */
  | { readonly allowed: false; readonly reason?: string };

export interface Question {
  readonly user: UserInfo;
  readonly source: CloneSource;
  /** The DataVolume's namespace. */
  readonly into: string;
}

/**
 * Asks whether `user` may create `datavolumes/source` named like the source in the source's namespace, and what else the policy lets
 * count. Neither the answer nor the time it takes depends on whether the source exists.
 *
 * @throws ApiError when the question could not be put or has no usable answer. That is not a "no" to be shown to the user as
 *   forbidden, and never a "yes": report it as `CloneAuthorizationFailed`.
 */
export async function askAccess(
  client: Pick<Client, 'review'>,
  { user, source, into }: Question,
  policy: AccessPolicy,
  options?: CallOptions,
): Promise<Access> {
  // A review without a user is evaluated for its groups alone, which is a question about somebody else.
  if (user.username === '') throw notEvaluated('the request names no user', { code: 400, reason: 'BadRequest' });
  if (policy.sameNamespace === 'skip' && source.namespace === into) return { allowed: true, rule: 'same-namespace' };
  const kind = policy.reviews === 'cluster' ? subjectAccessReviews : localSubjectAccessReviews;
  const ask = async (right: Right): Promise<Answer> =>
    answerIn(await client.review(kind, questionOf(kind, user, source, right), options));
  const own = await ask(rightToClone);
  if (own.allowed) return { ...own, allowed: true, rule: 'datavolumes/source' };
  if (!policy.podCreatorsMayClone) return { ...own, allowed: false };
  return (await all(rightsOfPodCreators[source.kind], ask))
    ? { allowed: true, rule: 'pods' }
    : { ...own, allowed: false };
}

/** What may be created, in the words of RBAC. */
interface Right {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verb: string;
}

const rightToClone: Right = { ...sourceSubresource, version: dataVolumes.version };

const toCreate = ({ group, version, plural }: Resource<KubeObject>): Right => ({
  group,
  version,
  resource: plural,
  verb: 'create',
});

const rightsOfPodCreators: Readonly<Record<CloneSource['kind'], readonly Right[]>> = {
  PersistentVolumeClaim: [toCreate(pods)],
  VolumeSnapshot: [toCreate(pods), toCreate(claims)],
};

/** One after the other, and none after the first "no". */
async function all(rights: readonly Right[], ask: (right: Right) => Promise<Answer>): Promise<boolean> {
  for (const right of rights) if (!(await ask(right)).allowed) return false;
  return true;
}

/** Everything that identifies the user goes along: an authorizer may look at uid, groups and extra as well as at the name. */
function questionOf(
  review: Resource<SubjectAccessReview>,
  user: UserInfo,
  { namespace, name }: CloneSource,
  right: Right,
): SubjectAccessReview {
  return {
    apiVersion: apiVersionOf(review),
    kind: review.kind,
    metadata: review.namespaced ? { namespace } : {},
    spec: {
      user: user.username,
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      ...(user.groups === undefined ? {} : { groups: user.groups }),
      ...(user.extra === undefined ? {} : { extra: user.extra }),
      resourceAttributes: { ...right, namespace, name },
    },
  };
}

interface Answer {
  readonly allowed: boolean;
  readonly reason?: string;
}

const unreadable = { code: 0, reason: 'InvalidAnswer' };

/**
 * Reads the answer in the order in which the API server treats its own requests: an explicit denial ends the question, an allowing
 * authorizer counts even where another one failed, and only then does an evaluation error turn a mere lack of a "yes" into "could not
 * be evaluated". RBAC reports its dangling role references in `reason`, not as an evaluation error, so they remain a plain "no".
 */
function answerIn(answer: unknown): Answer {
  const status = isObject(answer) ? answer['status'] : undefined;
  if (!isObject(status)) throw notEvaluated('the answer has no status', unreadable);
  const { allowed, denied = false, reason, evaluationError } = status;
  if (typeof allowed !== 'boolean' || typeof denied !== 'boolean')
    throw notEvaluated('the answer is neither a yes nor a no', unreadable);
  const words = typeof reason === 'string' && reason !== '' ? { reason } : {};
  if (denied) return { allowed: false, ...words };
  if (allowed) return { allowed: true, ...words };
  if (evaluationError === undefined || evaluationError === '') return { allowed: false, ...words };
  const why = typeof evaluationError === 'string' ? evaluationError : 'an authorizer failed';
  throw notEvaluated(why, { code: 500, reason: 'InternalError' });
}

function notEvaluated(why: string, init: { code: number; reason: string }): ApiError {
  return new ApiError(`SubjectAccessReview could not be evaluated: ${why}`, init);
}
