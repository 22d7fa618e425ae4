import type { KubeObject, ObjectRef, Stored } from '../api/objects.ts';
import type { Resource } from './resource.ts';

/** Calls to the API server, on raw JSON: what the server sent is what the caller sees, unknown fields included. There is no PUT. */

export interface CallOptions {
  /** Ends the call; its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Milliseconds for the whole call, retries included; default 30,000. */
  readonly deadline?: number;
}

export interface ListOptions extends CallOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Objects per page; default 500 (client-go's). */
  readonly pageSize?: number;
  /** `'0'` answers from the watch cache; absent means the newest state. */
  readonly resourceVersion?: string;
}

export interface ListPage<T extends KubeObject> {
  readonly items: readonly Stored<T>[];
  /** Version of the whole list; a watch may start here. */
  readonly resourceVersion: string;
}

export interface WriteOptions extends CallOptions {
  readonly dryRun?: boolean;
  readonly subresource?: string;
}

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
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
  /** POST of a review (SubjectAccessReview): a question, not a write, and so repeated when it is safe to. */
  review<T extends KubeObject>(kind: Resource<T>, object: T, options?: CallOptions): Promise<T>;
}
