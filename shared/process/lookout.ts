import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import type { Component } from './run.ts';

/**
 * Looks at something at a steady pace for as long as the program runs: files that others replace (a mounted Secret), which cannot be
 * watched, for the kubelet swaps them by renaming links.
 */
export interface LookoutOptions {
  readonly name: string;
  /** Milliseconds from the end of a look to the next. */
  readonly pace: number;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Pick<Logger, 'error'>;
  /** What it throws is a fault: said once, and once more when it becomes another one. */
  readonly look: () => Promise<void>;
  /** The line for a fault. */
  readonly complaint: string;
}

export function createLookout(options: LookoutOptions): Component {
  let ended: Promise<void> = Promise.resolve();
  return {
    name: options.name,
    start: async (signal) => {
      ended = run(options, signal);
    },
    stop: async () => await ended,
  };
}

async function run({ pace, clock, log, look, complaint }: LookoutOptions, signal: AbortSignal): Promise<void> {
  let fault = '';
  while (await pause(clock, pace, signal)) {
    try {
      await look();
      fault = '';
    } catch (error) {
      const again = fault === String(error);
      fault = String(error);
      if (!again) log.error({ err: error }, complaint);
    }
  }
}

/** @returns false once the program ends. */
async function pause(clock: Pick<Clock, 'sleep'>, pace: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(pace, signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
