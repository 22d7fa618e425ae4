import type { Clock } from '../process/clock.ts';

/** Made once: an abort without a reason makes an error with a stack trace each time, which was a twentieth of a review's CPU time. */
const settled = new Error('settled in time');

/**
 * Runs `work` with a signal that aborts when `ms` milliseconds have passed or when `outer` aborts, and rejects with that reason at
 * once, also where `work` does not listen. Nothing (no timer, no listener) is left behind when it settles.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  outer: AbortSignal | undefined,
  expired: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted();
  const call = new AbortController();
  const timer = new AbortController();
  const ended = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    ended.reject(reason);
    call.abort(reason);
  };
  const forward = (): void => end(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  void clock.sleep(ms, timer.signal).then(
    () => end(expired()),
    () => undefined,
  );
  try {
    return await Promise.race([work(call.signal), ended.promise]);
  } finally {
    timer.abort(settled);
    outer?.removeEventListener('abort', forward);
  }
}
