import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  /** Milliseconds after which waiting fails; default 240,000, for a machine that has other things to do as well. */
  readonly timeout?: number;
  /** Milliseconds between two looks; default 50, or a tenth of what was waited so far, up to 250: looks cost the time of those who are waited for. */
  readonly interval?: number;
  readonly signal?: AbortSignal;
}

/**
 * Looks again and again until `look` gives something other than `undefined` or `false`. What it throws counts as "not yet" and is
 * the cause of the error when the time is up.
 * @throws Error `timed out after … waiting for <what>`; the signal's reason when that aborts.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const timeout = options.timeout ?? 240_000;
  const begin = performance.now();
  const end = begin + timeout;
  let cause: unknown;
  while (performance.now() < end) {
    options.signal?.throwIfAborted();
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await sleep(options.interval ?? pauseAfter(performance.now() - begin));
  }
  const detail = cause instanceof Error ? `: ${cause.message}` : '';
  throw new Error(`timed out after ${timeout} ms waiting for ${what}${detail}`, { cause });
}

/** @param waited milliseconds. */
function pauseAfter(waited: number): number {
  return Math.min(Math.max(50, waited / 10), 250);
}
