import type { KubeObject, Stored } from '../api/objects.ts';

/** From a value (a uid, a claim's name) to the keys of the objects that have it. */

export type IndexFunction<T extends KubeObject> = (object: Stored<T>) => readonly string[];

export interface Indexes<T extends KubeObject> {
  /** Puts the object of `key` where `next` belongs, away from where `previous` was. */
  move(key: string, previous: Stored<T> | undefined, next: Stored<T> | undefined): void;
  /** @throws RangeError when there is no such index. */
  keys(index: string, value: string): Iterable<string>;
}

export function createIndexes<T extends KubeObject>(
  functions: Readonly<Record<string, IndexFunction<T>>>,
  onError: (error: unknown) => void,
): Indexes<T> {
  const tables = new Map(Object.keys(functions).map((name) => [name, new Map<string, Entry>()]));
  const valuesOf = (index: IndexFunction<T>, object: Stored<T> | undefined): readonly string[] => {
    if (object === undefined) return [];
    try {
      return index(object);
    } catch (error) {
      // An object that an index cannot digest is one that no one finds there, and no reason to lose all the others.
      onError(error);
      return [];
    }
  };
  return {
    move: (key, previous, next) => {
      for (const [name, table] of tables) {
        const index = functions[name] ?? none;
        for (const value of valuesOf(index, previous)) removeFrom(table, value, key);
        for (const value of valuesOf(index, next)) addTo(table, value, key);
      }
    },
    keys: (index, value) => {
      const table = tables.get(index);
      if (table === undefined)
        throw new RangeError(`there is no index ${index}; there are: ${[...tables.keys()].join(', ')}`);
      const entry = table.get(value) ?? [];
      return typeof entry === 'string' ? [entry] : entry;
    },
  };
}

const none = (): readonly string[] => [];

/** Nearly every value is that of one object, and a set takes as much memory as the key of one does twice. */
type Entry = string | Set<string>;

function addTo(table: Map<string, Entry>, value: string, key: string): void {
  const entry = table.get(value);
  if (entry === undefined) table.set(value, key);
  else if (typeof entry !== 'string') entry.add(key);
  else if (entry !== key) table.set(value, new Set([entry, key]));
}

function removeFrom(table: Map<string, Entry>, value: string, key: string): void {
  const entry = table.get(value);
  if (typeof entry === 'object') entry.delete(key);
  // Values come and go with objects; without this the table would only ever grow.
  if (typeof entry === 'string' ? entry === key : entry?.size === 0) table.delete(value);
}
