import type { KubeObject, ObjectRef, Stored } from '../../shared/api/objects.ts';
import type { Client } from '../../shared/kube/client.ts';
import { ApiError } from '../../shared/kube/errors.ts';
import { pathOf, type Resource } from '../../shared/kube/resource.ts';

/** A call as it arrives at the {@link MemoryApi}. */
export interface MemoryCall {
  readonly verb: 'get' | 'create' | 'patch' | 'delete';
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** Runs before the call is carried out; what it throws is the answer, and a promise makes the caller wait. */
export type Interceptor = (call: MemoryCall) => void | Promise<void>;

function failure(code: number, reason: string, message: string): ApiError {
  return new ApiError(message, { code, reason });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

/** Objects in memory with the API server's rules for names, versions and preconditions; shared by any number of clients. */
export class MemoryApi {
  /** By collection, then by path: tests look at all of a kind again and again. */
  readonly #objects = new Map<string, Map<string, Stored<KubeObject>>>();
  readonly calls: MemoryCall[] = [];
  #version = 1;

  /** A client of its own; its interceptor stands between it and the objects, as a network would. */
  client(intercept: Interceptor = () => undefined): Pick<Client, 'get' | 'create' | 'mergePatch' | 'remove'> {
    const arrive = async (call: MemoryCall): Promise<void> => {
      call.signal?.throwIfAborted();
      this.calls.push(call);
      await intercept(call);
      call.signal?.throwIfAborted();
    };
    return {
      get: async <T extends KubeObject>(kind: Resource<T>, ref: ObjectRef, options: { signal?: AbortSignal } = {}) => {
        await arrive({ verb: 'get', plural: kind.plural, namespace: ref.namespace, name: ref.name, ...options });
        return this.read(kind, ref);
      },
      create: async <T extends KubeObject>(kind: Resource<T>, object: T, options: { signal?: AbortSignal } = {}) => {
        const { name = '', namespace } = object.metadata;
        await arrive({ verb: 'create', plural: kind.plural, namespace, name, body: object, ...options });
        const path = pathOf(kind, object.metadata);
        if (this.#collection(kind).has(path)) throw failure(409, 'AlreadyExists', `${path} exists`);
        return this.#put(kind, path, {
          ...object,
          metadata: { ...object.metadata, name, uid: `uid-${this.#version}` },
        });
      },
      mergePatch: async (kind, ref, patch, options = {}) => {
        const { preconditions, signal } = options;
        await arrive({
          verb: 'patch',
          plural: kind.plural,
          namespace: ref.namespace,
          name: ref.name,
          body: patch,
          signal,
        });
        const current = this.read(kind, ref);
        const { uid = current.metadata.uid, resourceVersion = current.metadata.resourceVersion } = preconditions ?? {};
        if (uid !== current.metadata.uid || resourceVersion !== current.metadata.resourceVersion) {
          throw failure(409, 'Conflict', `${ref.name} was changed`);
        }
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        return this.#put(kind, pathOf(kind, ref), merge(current, patch) as typeof current);
      },
      remove: async (kind, ref, { preconditions, signal } = {}) => {
        await arrive({
          verb: 'delete',
          plural: kind.plural,
          namespace: ref.namespace,
          name: ref.name,
          ...(signal === undefined ? {} : { signal }),
        });
        const found = this.#collection(kind).get(pathOf(kind, ref));
        if (found === undefined || found.metadata.uid !== (preconditions?.uid ?? found.metadata.uid)) return;
        const { resourceVersion } = found.metadata;
        if (resourceVersion !== (preconditions?.resourceVersion ?? resourceVersion))
          throw failure(409, 'Conflict', `${ref.name} was changed`);
        this.remove(kind, ref);
      },
    };
  }

  /** @throws ApiError `NotFound`. */
  read<T extends KubeObject>(kind: Resource<T>, ref: ObjectRef): Stored<T> {
    const found = this.#collection(kind).get(pathOf(kind, ref));
    if (found === undefined) throw failure(404, 'NotFound', `${ref.name} not found`);
    // The path of a kind holds objects of that kind only.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return found as Stored<T>;
  }

  list<T extends KubeObject>(kind: Resource<T>, namespace: string): Stored<T>[] {
    return this.all(kind).filter(({ metadata }) => metadata.namespace === namespace);
  }

  /** Of all namespaces. */
  all<T extends KubeObject>(kind: Resource<T>): Stored<T>[] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return [...this.#collection(kind).values()] as Stored<T>[];
  }

  remove(kind: Resource<KubeObject>, ref: ObjectRef): void {
    this.#collection(kind).delete(pathOf(kind, ref));
  }

  #collection({ group, plural }: Resource<KubeObject>): Map<string, Stored<KubeObject>> {
    const key = `${group}/${plural}`;
    const known = this.#objects.get(key);
    if (known !== undefined) return known;
    const fresh = new Map<string, Stored<KubeObject>>();
    this.#objects.set(key, fresh);
    return fresh;
  }

  #put<T extends KubeObject>(kind: Resource<T>, path: string, object: T): Stored<T> {
    this.#version += 1;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } } as Stored<T>;
    this.#collection(kind).set(path, stored);
    return stored;
  }
}
