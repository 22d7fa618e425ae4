import { performance } from 'node:perf_hooks';

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
  // Not `node:timers/promises`: when it is aborted that makes an error with a stack trace, and nearly every sleep is a deadline that is
  // called off in time.
  sleep: async (ms, signal) => {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        clearTimeout(timer);
        const reason: unknown = signal?.reason;
        reject(reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
};
