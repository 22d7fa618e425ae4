import type { KubeObject } from '../api/objects.ts';
import type { Clock } from '../process/clock.ts';
import type { Health } from '../process/health.ts';
import type { Logger } from '../process/log.ts';
import type { Metrics } from '../process/metrics.ts';
import type { Component } from '../process/run.ts';
import type { Client, Watcher } from './client.ts';
import { createReflector, type Reflector } from './reflector.ts';
import type { Resource } from './resource.ts';
import { createStore, type Store, type StoreOptions, type StoreReader } from './store.ts';

/** All objects of a kind, kept in memory and equal to the cluster, with the metrics and the readiness check that belong to it. */

export interface InformOptions {
  readonly client: Pick<Client, 'pages'> & Watcher;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'watchRestarts' | 'storeObjects'>;
  readonly health: Health;
}

interface Which {
  readonly fieldSelector?: string;
  /** Without these objects nothing can be done: not ready before they are listed. Default true. */
  readonly needed?: boolean;
}

export interface Informed<T extends KubeObject> {
  readonly store: StoreReader<T>;
  readonly reflector: Reflector;
}

/** Fills a store of its own. */
export function inform<T extends KubeObject>(
  options: InformOptions,
  kind: Resource<T>,
  { fieldSelector, needed = true, ...own }: Which & StoreOptions<T> = {},
): Informed<T> {
  const store = createStore<T>(own);
  const which = { needed, ...(fieldSelector === undefined ? {} : { fieldSelector }) };
  return { store, reflector: fill(options, kind, store, which) };
}

/** Fills a store that is there already. */
export function fill<T extends KubeObject>(
  { client, clock, random, log, metrics, health }: InformOptions,
  kind: Resource<T>,
  store: Store<T>,
  { needed = true, ...selector }: Which = {},
): Reflector {
  const resource = kind.plural;
  if (needed) health.check(`watch-${resource}`, () => store.synced || `${resource} are not listed yet`);
  return createReflector({
    client,
    kind,
    store,
    clock,
    random,
    log,
    ...selector,
    observe: (event) => {
      if (event.type === 'restart') metrics.watchRestarts.inc({ resource, cause: event.cause });
      else metrics.storeObjects.set({ resource }, event.objects);
    },
  });
}

/** Reflectors as a part of a program: up when each of those that are waited for has listed once, down when all have ended. */
export function reflecting(
  name: string,
  reflectors: readonly Reflector[],
  waitedFor: readonly Reflector[] = reflectors,
): Component & { stop(): Promise<void> } {
  return {
    name,
    start: async (signal) => {
      for (const reflector of reflectors) reflector.start(signal);
      await Promise.all(waitedFor.map(({ synced }) => synced));
    },
    stop: async () => {
      await Promise.all(reflectors.map(({ stopped }) => stopped));
    },
  };
}
