import type { Clock } from '../process/clock.ts';

/** Token buckets: `burst` at once, `perSecond` from then on. */

export interface BudgetLimits {
  readonly burst: number;
  readonly perSecond: number;
}

export interface Budget {
  /** Takes a token of this key's bucket; false when it is empty. */
  take(key: string): boolean;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** One bucket for each key. At most `keys` are remembered; the one that was not asked for longest is forgotten, and so is full again. */
export function createBudget(clock: Pick<Clock, 'elapsed'>, limits: BudgetLimits, keys = 1024): Budget {
  const buckets = new Map<string, Bucket>();
  return {
    take: (key) => {
      const now = clock.elapsed();
      const bucket = buckets.get(key) ?? { tokens: limits.burst, at: now };
      bucket.tokens = Math.min(limits.burst, bucket.tokens + ((now - bucket.at) / 1000) * limits.perSecond);
      bucket.at = now;
      // A Map keeps the order of insertion: the first key is the one that was not used for longest.
      buckets.delete(key);
      buckets.set(key, bucket);
      const [oldest] = buckets.keys();
      if (buckets.size > keys && oldest !== undefined) buckets.delete(oldest);
      if (bucket.tokens < 1) return false;
      bucket.tokens -= 1;
      return true;
    },
  };
}
