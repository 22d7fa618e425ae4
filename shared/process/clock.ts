import { performance } from 'node:perf_hooks';
import { setTimeout as sleepFor } from 'node:timers/promises';

/** Time, injected everywhere so that tests can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump when the machine's time is set. For what is written down. */
  now(): number;
  /** Milliseconds since some moment of the past; never jumps, never goes back. For durations and deadlines. */
  elapsed(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when that aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await sleepFor(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};
