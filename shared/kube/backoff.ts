/** How long to wait after one failure in a row after another: from 0.8 s doubling to 30 s, as client-go's reflector does. */

export interface Backoff {
  /**
   * Milliseconds until the next attempt.
   * @param healthy how long, in milliseconds, all was well before this failure; half a minute of it starts from the bottom again, so
   * that what works for a moment each time does not escape the doubling.
   */
  next(healthy: number): number;
}

const bottom = 800;
const top = 30_000;
const healthyAfter = 30_000;

/** @param random uniform in [0, 1). */
export function createBackoff(random: () => number): Backoff {
  let failures = 0;
  return {
    next: (healthy) => {
      if (healthy >= healthyAfter) failures = 0;
      const step = Math.min(top, 2 * bottom * 2 ** failures);
      failures += 1;
      // The upper half is random, at the top too: everybody lost the same API server at the same moment.
      return step / 2 + (random() * step) / 2;
    },
  };
}
