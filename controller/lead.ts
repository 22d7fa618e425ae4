import { keyOf, refOf } from '../shared/api/objects.ts';
import type { Elector } from '../shared/kube/lease.ts';
import { createQueue } from '../shared/kube/queue.ts';
import type { Served } from '../shared/kube/served.ts';
import { runWorkers } from '../shared/kube/workers.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Component } from '../shared/process/run.ts';
import type { Reconcile } from './reconcile.ts';
import type { Stores } from './stores.ts';
import { subscribe } from './triggers.ts';
import type { Turns } from './turns.ts';

/** What only one replica does at a time: working through the DataVolumes, and sweeping up after those that are gone. */

export interface LeadOptions {
  readonly elector: Elector;
  readonly stores: Stores;
  readonly served: Pick<Served, 'subscribe'>;
  readonly reconcile: Reconcile;
  readonly turns: Pick<Turns, 'subscribe'>;
  /** Runs beside the work, until its signal aborts. */
  readonly sweeper: (signal: AbortSignal) => Promise<void>;
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

async function work(options: LeadOptions, lost: AbortSignal): Promise<void> {
  const { stores, served, reconcile, turns, sweeper, workers, clock, random, log, metrics } = options;
  // Namespaces take turns: a tenant with ten thousand DataVolumes does not keep the others waiting.
  const groupOf = (key: string): string => refOf(key).namespace ?? '';
  const queue = createQueue({ clock, random, name, metrics, backoff, groupOf });
  const add = (key: string): void => queue.add(key);
  const addAll = (): void => stores.volumes.list().forEach(({ metadata }) => add(keyOf(metadata)));
  // What waits for a namespace to open may be in any other.
  const ends = [subscribe(stores, add), turns.subscribe(add), served.subscribe(addAll)];
  addAll();
  const handle: Reconcile = async (key, signal) => {
    const outcome = await reconcile(key, signal);
    metrics.reconciles.inc({ controller: name, result: outcome.kind });
    return outcome;
  };
  const report = (error: unknown, key: string): void => {
    metrics.reconciles.inc({ controller: name, result: 'error' });
    log.warn({ err: error, key }, 'Reconciliation failed');
  };
  const over = new AbortController();
  const sweeping = sweeper(AbortSignal.any([lost, over.signal]));
  try {
    await runWorkers(queue, workers, handle, lost, report);
  } finally {
    for (const end of ends) end();
    over.abort();
    await Promise.all([queue.drain(), sweeping]);
  }
}
