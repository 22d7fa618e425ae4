import { keyOf } from '../shared/api/objects.ts';
import type { Elector } from '../shared/kube/lease.ts';
import { createQueue } from '../shared/kube/queue.ts';
import { runWorkers } from '../shared/kube/workers.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Component } from '../shared/process/run.ts';
import type { Reconcile } from './reconcile.ts';
import type { Stores } from './stores.ts';
import { subscribe } from './triggers.ts';

/** What only one replica does at a time: working through the DataVolumes. */

export interface LeadOptions {
  readonly elector: Elector;
  readonly stores: Stores;
  readonly reconcile: Reconcile;
  readonly workers: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const name = 'datavolume';
/** Milliseconds. From quick, as most failures are conflicts, to five minutes, which a quota or a policy can wait. */
const backoff = { base: 50, max: 300_000 };

/** Runs for the leadership until the program stops. A leadership lost ends the program: its successor starts with a clean memory. */
export function createLeading(options: LeadOptions): Component {
  let running: Promise<void> = Promise.resolve();
  return {
    name: 'leading',
    start: async (signal, fail) => {
      running = options.elector.run(signal, async (lost) => work(options, lost));
      running.catch(fail);
    },
    stop: async () => {
      // Reported by then; what is awaited here is only the end.
      await running.catch(() => undefined);
    },
  };
}

async function work({ stores, reconcile, workers, clock, random, log, metrics }: LeadOptions, lost: AbortSignal) {
  const queue = createQueue({ clock, random, name, metrics, backoff });
  const unsubscribe = subscribe(stores, (key) => queue.add(key));
  for (const { metadata } of stores.volumes.list()) queue.add(keyOf(metadata));
  const handle: Reconcile = async (key, signal) => {
    const outcome = await reconcile(key, signal);
    metrics.reconciles.inc({ controller: name, result: outcome.kind });
    return outcome;
  };
  const report = (error: unknown, key: string): void => {
    metrics.reconciles.inc({ controller: name, result: 'error' });
    log.warn({ err: error, key }, 'Reconciliation failed');
  };
  try {
    await runWorkers(queue, workers, handle, lost, report);
  } finally {
    unsubscribe();
    await queue.drain();
  }
}
