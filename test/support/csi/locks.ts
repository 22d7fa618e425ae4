/** Lets work on the same key run one after another, and work on different keys side by side. */
export interface Locks {
  run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>;
}

export function createLocks(): Locks {
  const tails = new Map<string, Promise<unknown>>();
  return {
    // All tails are taken in one synchronous step, so whoever came first is first on every key: no deadlock.
    run: async (keys, work) => {
      const before = keys.map((key) => tails.get(key) ?? Promise.resolve());
      const mine = Promise.allSettled(before).then(work);
      const settled = mine.catch(() => undefined);
      for (const key of keys) tails.set(key, settled);
      try {
        return await mine;
      } finally {
        // Only the last in line tidies up; a later one that waits has put its own tail there.
        for (const key of keys) if (tails.get(key) === settled) tails.delete(key);
      }
    },
  };
}
