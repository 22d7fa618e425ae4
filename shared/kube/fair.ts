/** Keys that wait for their turn: groups take turns, and within a group the key that waited longest comes first. */
export interface Line<K extends string> {
  readonly size: number;
  has(key: K): boolean;
  /** Does nothing when the key waits already. @param since when it began to wait. */
  add(key: K, since: number): void;
  take(): { readonly key: K; readonly since: number } | undefined;
  clear(): void;
}

/** @param groupOf keys of the same group, and no others, wait for each other. */
export function createLine<K extends string>(groupOf: (key: K) => string): Line<K> {
  /** Group → its keys in order; the groups in the order of their turns. A group that is empty is not in it. */
  const groups = new Map<string, Map<K, number>>();
  let size = 0;
  return {
    get size() {
      return size;
    },
    has: (key) => groups.get(groupOf(key))?.has(key) === true,
    add: (key, since) => {
      const group = groupOf(key);
      const keys = groups.get(group) ?? new Map<K, number>();
      if (keys.has(key)) return;
      keys.set(key, since);
      groups.set(group, keys);
      size += 1;
    },
    take: () => {
      for (const [group, keys] of groups) {
        groups.delete(group);
        for (const [key, since] of keys) {
          keys.delete(key);
          size -= 1;
          // Its next turn is after those of all the others.
          if (keys.size > 0) groups.set(group, keys);
          return { key, since };
        }
      }
      return undefined;
    },
    clear: () => {
      groups.clear();
      size = 0;
    },
  };
}
