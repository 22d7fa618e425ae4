import type { Clock } from '../process/clock.ts';

/** Ends what has been silent for too long. */
export interface Watchdog {
  /** Aborts with `silent()` when nothing fed it for the limit, or with the outer signal's reason when that aborts. */
  readonly signal: AbortSignal;
  feed(): void;
  /** Must be called when the watched thing is over: no timer or listener stays behind. */
  end(): void;
}

/** @param limit milliseconds. */
export function createWatchdog(clock: Clock, limit: number, outer: AbortSignal, silent: () => Error): Watchdog {
  const controller = new AbortController();
  const forward = (): void => controller.abort(outer.reason);
  if (outer.aborted) forward();
  outer.addEventListener('abort', forward, { once: true });
  let fedAt = clock.elapsed();
  // One sleeper for the whole time, not one for each event: thousands of events may come in a second.
  const guard = async (): Promise<void> => {
    for (let left = limit; left > 0; left = fedAt + limit - clock.elapsed()) await clock.sleep(left, controller.signal);
    controller.abort(silent());
  };
  guard().catch(() => undefined);
  return {
    signal: controller.signal,
    feed: () => {
      fedAt = clock.elapsed();
    },
    end: () => {
      outer.removeEventListener('abort', forward);
      controller.abort();
    },
  };
}
