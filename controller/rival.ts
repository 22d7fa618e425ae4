import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Component } from '../shared/process/run.ts';

/**
 * Two that carry out the same clones would destroy each other's work: CDI reconciles every DataVolume that there is, and so does this
 * controller. CDI is known by what it alone serves, its own configuration. It may come after us, so it is looked for again and again.
 */
export interface RivalOptions {
  /** Plural names of what is served in `cdi.kubevirt.io/v1beta1`. */
  readonly served: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** CustomResourceDefinition of CDI's operator: who is to run, and how. Clonegate's chart does not bring it. */
const ofCdi = 'cdis';
/** Milliseconds; discovery is answered from memory. */
const pace = 60_000;
const retry = 2000;

export class RivalError extends Error {
  override readonly name = 'RivalError';
}

/** Started once it is known that there is none; fails, and so ends the program, when one comes. */
export function createRivalGuard({ served, clock, log }: RivalOptions): Component {
  let watching: Promise<void> = Promise.resolve();
  const look = async (signal: AbortSignal): Promise<void> => {
    if ((await served(signal)).includes(ofCdi))
      throw new RivalError(
        'this cluster has CDI (it serves cdis.cdi.kubevirt.io), which carries out clones as well: start with --executor=cdi, or remove CDI first',
      );
  };
  /** What could not be found out is no reason to begin, nor one to stop. */
  const until = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      try {
        await look(signal);
        return;
      } catch (error) {
        if (signal.aborted || error instanceof RivalError) throw error;
        log.warn({ err: error }, 'Could not find out whether CDI is there');
      }
      await clock.sleep(retry, signal);
    }
  };
  const watch = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      await clock.sleep(pace, signal);
      await until(signal);
    }
  };
  return {
    name: 'rival',
    start: async (signal, fail) => {
      await until(signal);
      watching = watch(signal).catch((error: unknown) => {
        if (!signal.aborted) fail(error);
      });
    },
    stop: async () => await watching,
  };
}
