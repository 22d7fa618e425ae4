import { type KubeObject, keyOf, type Stored } from '../api/objects.ts';
import { createIndexes, type Indexes, type IndexFunction } from './indexes.ts';

/**
 * All objects of one kind in memory, as a reflector last saw them. Objects are shared by everyone who reads and never change: a new
 * version is a new object.
 */

export interface Change<T extends KubeObject> {
  readonly type: 'added' | 'updated' | 'deleted';
  /** As it is now; of a deleted object the last that was seen of it. */
  readonly object: Stored<T>;
  /** As it was in the store before; absent when it is new. */
  readonly previous?: Stored<T>;
}

export type Listener<T extends KubeObject> = (change: Change<T>) => void;

export interface StoreReader<T extends KubeObject> {
  /** @param key as {@link keyOf} makes it: `namespace/name` or `name`. */
  get(key: string): Stored<T> | undefined;
  list(): readonly Stored<T>[];
  /** Objects for which the index gives this value. @throws RangeError when there is no such index. */
  by(index: string, value: string): readonly Stored<T>[];
  readonly size: number;
  /** Whether the store, each of its parts, has ever been filled. Before that, what is not in it may exist all the same. */
  readonly synced: boolean;
  /**
   * Calls the listener for every change from now on, after the store has changed; what is in it already is not told. An object that
   * was replaced by another of its name is told as deleted and added, also when that happened while nobody watched.
   * @returns a function that ends it.
   */
  subscribe(listener: Listener<T>): () => void;
}

/** A whole new content, handed over page by page. */
export interface Replacement<T extends KubeObject> {
  add(items: Iterable<Stored<T>>): void;
  /** Puts it in place of the present content, and tells the differences. */
  commit(): void;
}

export interface StoreWriter<T extends KubeObject> {
  upsert(object: Stored<T>): void;
  /** Another object of the same name (another uid) stays. */
  delete(object: Stored<T>): void;
  replacing(): Replacement<T>;
  readonly size: number;
}

/** @typeParam T what comes from the API server. @typeParam K what is kept of it, and all that a reader can see. */
export interface Store<T extends KubeObject, K extends KubeObject = T> extends StoreReader<K>, StoreWriter<T> {
  readonly size: number;
  replace(items: Iterable<Stored<T>>): void;
  /**
   * A part of the store, which is filled for itself: what is put in place of its content leaves all else alone. Once there are parts, the
   * store is filled when each of them is. A Namespace belongs to the part of its own name.
   */
  part(namespace: string): StoreWriter<T>;
}

export interface StoreOptions<K extends KubeObject> {
  /** By name: the values under which an object is found with `by`. Pure. */
  readonly indexes?: Readonly<Record<string, IndexFunction<K>>>;
  /** Told when a listener or an index function throws; neither breaks the store. Default: a process warning. */
  readonly onError?: (error: unknown) => void;
}

/** What is kept of an object. Total and pure, and must leave name, namespace, uid and version alone. */
export type Projection<T extends KubeObject, K extends KubeObject> = (object: Stored<T>) => Stored<K>;

/** Keeps objects whole, but for their managedFields. */
export function createStore<T extends KubeObject>(options: StoreOptions<T> = {}): Store<T> {
  return createProjectedStore(withoutManagedFields, options);
}

/** Keeps of each object what the projection gives and nothing else, so that nobody can come to read what is not kept. */
export function createProjectedStore<T extends KubeObject, K extends KubeObject>(
  project: Projection<T, K>,
  { indexes = {}, onError = warn }: StoreOptions<K> = {},
): Store<T, K> {
  return new MemoryStore(createIndexes(indexes, onError), project, onError);
}

class MemoryStore<T extends KubeObject, K extends KubeObject> implements Store<T, K> {
  readonly #indexes: Indexes<K>;
  readonly #project: Projection<T, K>;
  readonly #onError: (error: unknown) => void;
  readonly #listeners = new Set<Listener<K>>();
  #objects = new Map<string, Stored<K>>();
  /** Parts that have yet to be filled; undefined stands for the whole. */
  #unfilled = new Set<string | undefined>([undefined]);

  constructor(indexes: Indexes<K>, project: Projection<T, K>, onError: (error: unknown) => void) {
    this.#indexes = indexes;
    this.#project = project;
    this.#onError = onError;
  }

  get(key: string): Stored<K> | undefined {
    return this.#objects.get(key);
  }

  list(): readonly Stored<K>[] {
    return [...this.#objects.values()];
  }

  by(index: string, value: string): readonly Stored<K>[] {
    return [...this.#indexes.keys(index, value)].flatMap((key) => this.#objects.get(key) ?? []);
  }

  get size(): number {
    return this.#objects.size;
  }

  get synced(): boolean {
    return this.#unfilled.size === 0;
  }

  subscribe(listener: Listener<K>): () => void {
    // A wrapper of its own, so that the same function may subscribe twice and end each by itself.
    const own: Listener<K> = (change) => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  upsert(object: Stored<T>): void {
    const next = this.#project(object);
    const key = keyOf(next.metadata);
    const previous = this.#objects.get(key);
    this.#objects.set(key, next);
    this.#indexes.move(key, previous, next);
    this.#tell(difference(previous, next));
  }

  delete(object: Stored<T>): void {
    const key = keyOf(object.metadata);
    const previous = this.#objects.get(key);
    if (previous === undefined || previous.metadata.uid !== object.metadata.uid) return;
    this.#objects.delete(key);
    this.#indexes.move(key, previous, undefined);
    this.#tell([{ type: 'deleted', object: this.#project(object), previous }]);
  }

  replace(items: Iterable<Stored<T>>): void {
    const replacement = this.replacing();
    replacement.add(items);
    replacement.commit();
  }

  replacing(): Replacement<T> {
    return this.#replacing(undefined);
  }

  part(namespace: string): StoreWriter<T> {
    this.#unfilled.delete(undefined);
    this.#unfilled.add(namespace);
    const size = (): number => this.list().filter((object) => partOf(object) === namespace).length;
    return {
      upsert: (object) => this.upsert(object),
      delete: (object) => this.delete(object),
      replacing: () => this.#replacing(namespace),
      get size() {
        return size();
      },
    };
  }

  #replacing(part: string | undefined): Replacement<T> {
    const next = new Map<string, Stored<K>>();
    return {
      add: (items) => {
        for (const item of items) {
          const object = this.#project(item);
          next.set(keyOf(object.metadata), object);
        }
      },
      commit: () => this.#commit(next, part),
    };
  }

  #commit(next: Map<string, Stored<K>>, part: string | undefined): void {
    const previous = this.#objects;
    const others = part === undefined ? [] : [...previous].filter(([, object]) => partOf(object) !== part);
    this.#objects = others.length === 0 ? next : new Map([...others, ...next]);
    this.#unfilled.delete(part);
    const gone = [...previous].filter(([key]) => !this.#objects.has(key));
    for (const [key, object] of gone) this.#indexes.move(key, object, undefined);
    for (const [key, object] of next) this.#indexes.move(key, previous.get(key), object);
    // Told only now, when the store is whole again: a listener that reads sees nothing half done.
    this.#tell(gone.map(([, object]) => ({ type: 'deleted', object, previous: object })));
    for (const [key, object] of next) this.#tell(difference(previous.get(key), object));
  }

  #tell(changes: readonly Change<K>[]): void {
    for (const change of changes) {
      for (const listener of this.#listeners) {
        try {
          listener(change);
        } catch (error) {
          this.#onError(error);
        }
      }
    }
  }
}

function partOf({ metadata: { namespace, name } }: Stored<KubeObject>): string {
  return namespace ?? name;
}

/** What there is to tell about one key. The same version again (a list repeats what a watch told) is nothing. */
function difference<T extends KubeObject>(previous: Stored<T> | undefined, next: Stored<T>): readonly Change<T>[] {
  if (previous === undefined) return [{ type: 'added', object: next }];
  if (previous.metadata.uid !== next.metadata.uid) {
    return [
      { type: 'deleted', object: previous, previous },
      { type: 'added', object: next },
    ];
  }
  if (previous.metadata.resourceVersion === next.metadata.resourceVersion) return [];
  return [{ type: 'updated', object: next, previous }];
}

/** All that a store needs of an object's metadata. */
export function identityOf({ name, namespace, uid, resourceVersion }: Stored<KubeObject>['metadata']) {
  return { name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) };
}

/** managedFields are two thirds of a stored object (measured: 4.3 kB to 1.2 kB for a claim), and nobody here reads them. */
export function withoutManagedFields<T extends KubeObject>(object: Stored<T>): Stored<T> {
  if (!('managedFields' in object.metadata)) return object;
  // A copy without them: `delete` would leave an object that V8 keeps as a hash table, which is larger.
  const { managedFields: _, ...metadata } = object.metadata as Stored<T>['metadata'] & { managedFields?: unknown };
  return { ...object, metadata };
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
