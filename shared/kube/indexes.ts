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
  const tables = new Map(Object.keys(functions).map((name) => [name, new Map<string, Set<string>>()]));
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
      return table.get(value) ?? [];
    },
  };
}

const none = (): readonly string[] => [];

function addTo(table: Map<string, Set<string>>, value: string, key: string): void {
  const keys = table.get(value);
  if (keys === undefined) table.set(value, new Set([key]));
  else keys.add(key);
}

function removeFrom(table: Map<string, Set<string>>, value: string, key: string): void {
  const keys = table.get(value);
  keys?.delete(key);
  // Values come and go with objects; without this the table would only ever grow.
  if (keys?.size === 0) table.delete(value);
}
