import { isObject, type JsonObject } from '../api/json.ts';
import { fieldManager } from '../api/names.ts';
import type { KubeObject, ObjectRef, Stored } from '../api/objects.ts';
import type { Clock } from '../process/clock.ts';
import type { Connection } from './connection.ts';
import { ApiError, isConflict, isNotFound } from './errors.ts';
import { isStored, type ListOptions, type ListPage, listPages } from './list.ts';
import { type Call, type CallOptions, type CallReport, nameOf, type Query, request } from './request.ts';
import { apiVersionOf, pathOf, pods, type Resource } from './resource.ts';
import { openWatch, type WatchEvent, type WatchOptions } from './watch.ts';

/** Calls to the API server, on raw JSON: what the server sent is what the caller sees, unknown fields included. There is no PUT. */

export type { ListOptions, ListPage } from './list.ts';
export type { CallOptions, CallReport } from './request.ts';
export type { WatchEvent, WatchOptions } from './watch.ts';

export interface WriteOptions extends CallOptions {
  /** Everything but storing it; what a dry run would create comes back with an empty resourceVersion. */
  readonly dryRun?: boolean;
  readonly subresource?: string;
}

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export interface LogOptions {
  readonly container: string;
  readonly tailLines: number;
  readonly limitBytes: number;
}

export interface Client {
  /** @throws ApiError `NotFound` when it does not exist. */
  get<T extends KubeObject>(kind: Resource<T>, ref: ObjectRef, options?: CallOptions): Promise<Stored<T>>;
  /** One page at a time; every item has its `kind` and `apiVersion`. @throws ApiError `Expired` when the list is too old to go on. */
  pages<T extends KubeObject>(kind: Resource<T>, options?: ListOptions): AsyncIterable<ListPage<T>>;
  /** @throws ApiError `AlreadyExists`. Never repeated after a lost answer: a POST is not idempotent. */
  create<T extends KubeObject>(kind: Resource<T>, object: T, options?: WriteOptions): Promise<Stored<T>>;
  /** Server-side apply with our one field manager; `object` holds exactly the fields that we own. @throws ApiError `Conflict` unless `force`. */
  apply<T extends KubeObject>(
    kind: Resource<T>,
    object: T,
    options?: WriteOptions & { readonly force?: boolean },
  ): Promise<Stored<T>>;
  /** RFC 7396 merge patch; preconditions travel inside the patch. @throws ApiError `Conflict` when they do not hold. */
  mergePatch<T extends KubeObject>(
    kind: Resource<T>,
    ref: ObjectRef,
    patch: object,
    options?: WriteOptions & { readonly preconditions?: Preconditions },
  ): Promise<Stored<T>>;
  /** Resolves also when it is already gone; what exists under the name with another uid is kept. */
  remove(
    kind: Resource<KubeObject>,
    ref: ObjectRef,
    options?: WriteOptions & {
      readonly preconditions?: Preconditions;
      readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
    },
  ): Promise<void>;
  /** The last lines that a container of a pod has written. */
  podLog(ref: ObjectRef, which: LogOptions, options?: CallOptions): Promise<string>;
  /** POST of a review (SubjectAccessReview): a question, not a write, and so repeated when it is safe to. */
  review<T extends KubeObject>(kind: Resource<T>, object: T, options?: CallOptions): Promise<T>;
}

export interface Watcher {
  /**
   * Changes from `resourceVersion` on, until the server ends the watch (then it just ends) or the signal aborts (then its reason is
   * thrown). An error in the stream comes as an event, the last one. @throws ApiError when the watch cannot be opened or breaks.
   */
  watch<T extends KubeObject>(kind: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

export interface ClientOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1), for the jitter of repetitions. */
  readonly random: () => number;
  /** Told of every call when it is over; must not throw. */
  readonly observe?: (report: CallReport) => void;
}

/** A client over a connection, which it neither opens nor closes. It keeps no state. */
export function createClient(connection: Connection, options: ClientOptions): Client & Watcher {
  const sender = { connection, ...options };
  const send = async (call: Call): Promise<unknown> => await request(sender, call);
  return {
    get: async (kind, ref, options) => {
      const call: Call = { verb: 'get', method: 'GET', path: pathOf(kind, ref), retry: 'safe', ...limitsOf(options) };
      return storedOf(kind, call, await send(call));
    },
    pages: (kind, options) => listPages(kind, options ?? {}, send),
    watch: (kind, options) => openWatch(sender, kind, options),
    create: async (kind, object, options) => await create(send, kind, object, options),
    apply: async (kind, object, options) => await apply(send, kind, object, options),
    mergePatch: async (kind, ref, patch, options) => await mergePatch(send, kind, ref, patch, options),
    remove: async (kind, ref, options) => await remove(send, kind, ref, options),
    podLog: async (ref, { container, tailLines, limitBytes }, options) => {
      const query = { container, tailLines, limitBytes };
      const path = pathOf(pods, ref, 'log');
      const limit = 2 * limitBytes;
      const call: Call = {
        verb: 'get',
        method: 'GET',
        path,
        query,
        plain: true,
        limit,
        retry: 'safe',
        ...limitsOf(options),
      };
      return String(await send({ ...call, accept: '*/*' }));
    },
    review: async <T extends KubeObject>(kind: Resource<T>, object: T, options?: CallOptions) => {
      const path = pathOf(kind, placeOf(object));
      const body = typed(kind, object);
      // A question changes nothing, so it may be put twice. The answer has neither name nor uid and is the asker's to check.
      return (await send({ verb: 'create', method: 'POST', path, body, retry: 'safe', ...limitsOf(options) })) as T;
    },
  };
}

type Send = (call: Call) => Promise<unknown>;

async function create<T extends KubeObject>(
  send: Send,
  kind: Resource<T>,
  object: T,
  options: WriteOptions = {},
): Promise<Stored<T>> {
  const { name } = object.metadata;
  // Only a subresource (a binding, an eviction) is created below a name; an object is created in its collection.
  const place =
    options.subresource === undefined || name === undefined ? placeOf(object) : { ...placeOf(object), name };
  const call: Call = {
    verb: 'create',
    method: 'POST',
    path: pathOf(kind, place, options.subresource),
    query: { ...writeQuery(options), fieldValidation: 'Strict' },
    body: typed(kind, object),
    retry: 'refused',
    ...limitsOf(options),
  };
  return storedOf(kind, call, await send(call));
}

async function apply<T extends KubeObject>(
  send: Send,
  kind: Resource<T>,
  object: T,
  options: WriteOptions & { readonly force?: boolean } = {},
): Promise<Stored<T>> {
  const { name } = object.metadata;
  if (name === undefined) throw new TypeError(`apply ${kind.plural}: metadata.name is missing`);
  const call: Call = {
    verb: 'patch',
    method: 'PATCH',
    path: pathOf(kind, { ...placeOf(object), name }, options.subresource),
    // Strict, as for create: these objects are wholly ours, and a field that the server does not know would be lost in silence.
    query: { ...writeQuery(options), fieldValidation: 'Strict', force: options.force === true ? true : undefined },
    body: typed(kind, object),
    contentType: 'application/apply-patch+yaml',
    retry: 'safe',
    ...limitsOf(options),
  };
  return storedOf(kind, call, await send(call).catch(conflictOfUid));
}

async function mergePatch<T extends KubeObject>(
  send: Send,
  kind: Resource<T>,
  ref: ObjectRef,
  patch: object,
  options: WriteOptions & { readonly preconditions?: Preconditions } = {},
): Promise<Stored<T>> {
  const { preconditions } = options;
  const call: Call = {
    verb: 'patch',
    method: 'PATCH',
    path: pathOf(kind, ref, options.subresource),
    // Not strict: a patch may go to an object of somebody else's schema, older or newer than the one we know.
    query: { ...writeQuery(options), fieldValidation: 'Warn' },
    body: { ...patch, metadata: { ...metadataOf(patch), ...preconditions } },
    contentType: 'application/merge-patch+json',
    retry: hasAny(preconditions) ? 'safe' : 'refused',
    ...limitsOf(options),
  };
  return storedOf(kind, call, await send(call).catch(conflictOfUid));
}

/**
 * A patch with the uid of another object is answered as 422 Invalid (`metadata.uid`: field is immutable), while a version that does not
 * match is 409 Conflict. To us both say the same: this is not the object that was meant.
 */
function conflictOfUid(error: unknown): never {
  if (!(error instanceof ApiError) || error.code !== 422 || !error.fields.includes('metadata.uid')) throw error;
  throw new ApiError(error.message, { code: 409, reason: 'Conflict', cause: error });
}

async function remove(
  send: Send,
  kind: Resource<KubeObject>,
  ref: ObjectRef,
  options: Parameters<Client['remove']>[2] = {},
): Promise<void> {
  const { preconditions, propagation } = options;
  const path = pathOf(kind, ref, options.subresource);
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(preconditions === undefined ? {} : { preconditions }),
    ...(propagation === undefined ? {} : { propagationPolicy: propagation }),
    ...(options.dryRun === true ? { dryRun: ['All'] } : {}),
  };
  const retry = hasAny(preconditions) ? 'safe' : 'refused';
  try {
    await send({ verb: 'delete', method: 'DELETE', path, body, retry, ...limitsOf(options) });
  } catch (error) {
    if (isNotFound(error)) return;
    if (isConflict(error) && (await isGoneSince(send, path, preconditions?.uid, options))) return;
    throw error;
  }
}

/** Whether what had this uid is gone. The API server answers Conflict for a uid and for a version alike, so one has to look. */
async function isGoneSince(send: Send, path: string, uid: string | undefined, options: CallOptions): Promise<boolean> {
  if (uid === undefined) return false;
  try {
    const found = await send({ verb: 'get', method: 'GET', path, retry: 'safe', ...limitsOf(options) });
    return metadataOf(found)['uid'] !== uid;
  } catch (error) {
    return isNotFound(error);
  }
}

function limitsOf(options: CallOptions = {}): Pick<Call, 'signal' | 'deadline'> {
  return { signal: options.signal, deadline: options.deadline };
}

function writeQuery(options: WriteOptions): Query {
  return { fieldManager, dryRun: options.dryRun === true ? 'All' : undefined };
}

function hasAny(preconditions: Preconditions | undefined): boolean {
  return preconditions?.uid !== undefined || preconditions?.resourceVersion !== undefined;
}

function placeOf(object: KubeObject): { readonly namespace?: string } {
  const { namespace } = object.metadata;
  return namespace === undefined ? {} : { namespace };
}

/** With the kind and version of its row, so that no caller has to repeat them. */
function typed<T extends KubeObject>(kind: Resource<T>, object: T): T {
  return { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind };
}

function metadataOf(object: unknown): JsonObject {
  return isObject(object) && isObject(object['metadata']) ? object['metadata'] : {};
}

function storedOf<T extends KubeObject>(kind: Resource<T>, call: Call, answer: unknown): Stored<T> {
  if (isStored<T>(answer)) return answer;
  // What a dry run would have made has no version yet.
  if (call.query?.['dryRun'] !== undefined && isObject(answer)) {
    const unsaved = { ...answer, metadata: { ...metadataOf(answer), resourceVersion: '' } };
    if (isStored<T>(unsaved)) return unsaved;
  }
  const message = `${nameOf(call)}: the answer is not a ${kind.kind}`;
  throw new ApiError(message, { code: 0, reason: 'InvalidAnswer' });
}
