import type { Clock } from '../process/clock.ts';

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
  const forward = (): void => call.abort(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  const ended = new Promise<never>((_, reject) => {
    call.signal.addEventListener('abort', () => reject(call.signal.reason as Error), { once: true });
  });
  void clock.sleep(ms, timer.signal).then(
    () => call.abort(expired()),
    () => undefined,
  );
  try {
    return await Promise.race([work(call.signal), ended]);
  } finally {
    timer.abort();
    outer?.removeEventListener('abort', forward);
  }
}
