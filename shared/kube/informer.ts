import type { KubeObject } from '../api/objects.ts';
import type { Clock } from '../process/clock.ts';
import type { Health } from '../process/health.ts';
import type { Logger } from '../process/log.ts';
import type { Metrics } from '../process/metrics.ts';
import type { Component } from '../process/run.ts';
import type { Client, Watcher } from './client.ts';
import { createReflector, type Reflector } from './reflector.ts';
import { namespaces, type Resource } from './resource.ts';
import type { Doors } from './served.ts';
import {
  createProjectedStore,
  createStore,
  type Projection,
  type Store,
  type StoreOptions,
  type StoreReader,
  type StoreWriter,
} from './store.ts';

/** All objects of a kind, kept in memory and equal to the cluster, with the metrics and the readiness check that belong to it. */

export interface InformOptions {
  readonly client: Pick<Client, 'pages'> & Watcher;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'watchRestarts' | 'storeObjects' | 'namespaceOpen'>;
  readonly health: Health;
  /** Whose objects are kept, of kinds that have a namespace; and which Namespaces. */
  readonly served: Doors;
}

interface Which {
  readonly fieldSelector?: string;
  /** Without these objects nothing can be done: not ready before they are listed. Default true. */
  readonly needed?: boolean;
}

export interface Informed<K extends KubeObject> {
  readonly store: StoreReader<K>;
  readonly reflectors: readonly Reflector[];
}

/** Fills a store of its own. */
export function inform<T extends KubeObject>(options: InformOptions, kind: Resource<T>): Informed<T> {
  const store = createStore<T>();
  return { store, reflectors: fill(options, kind, store) };
}

/** The same, keeping of each object no more than the projection gives. */
export function informOf<T extends KubeObject, K extends KubeObject>(
  options: InformOptions,
  kind: Resource<T>,
  project: Projection<T, K>,
  { fieldSelector, needed = true, ...own }: Which & StoreOptions<K> = {},
): Informed<K> {
  const store = createProjectedStore(project, own);
  const which = { needed, ...(fieldSelector === undefined ? {} : { fieldSelector }) };
  return { store, reflectors: fill(options, kind, store, which) };
}

/** Fills a store that is there already: with the whole cluster, or namespace by namespace where only some are served. */
export function fill<T extends KubeObject>(
  options: InformOptions,
  kind: Resource<T>,
  store: Pick<Store<T, KubeObject>, keyof StoreWriter<T> | 'part' | 'synced'>,
  { needed = true, ...selector }: Which = {},
): readonly Reflector[] {
  const { health, served } = options;
  const resource = kind.plural;
  if (needed) health.check(`watch-${resource}`, () => store.synced || `${resource} are not listed yet`);
  const size = (): number => store.size;
  if (served.namespaces.length === 0 || !(kind.namespaced || resource === namespaces.plural))
    return [reflect(options, kind, store, selector, size)];
  return served.namespaces.map((name) => {
    const area = kind.namespaced ? { ...selector, namespace: name } : { fieldSelector: `metadata.name=${name}` };
    return reflect(options, kind, store.part(name), area, size);
  });
}

interface Area {
  readonly namespace?: string;
  readonly fieldSelector?: string;
}

function reflect<T extends KubeObject>(
  { client, clock, random, log, metrics, served }: InformOptions,
  kind: Resource<T>,
  store: StoreWriter<T>,
  area: Area,
  size: () => number,
): Reflector {
  const resource = kind.plural;
  const { namespace } = area;
  const reflector = createReflector({
    client,
    kind,
    store,
    clock,
    random,
    log,
    ...area,
    observe: (event) => {
      if (event.type === 'restart') metrics.watchRestarts.inc({ resource, cause: event.cause });
      else metrics.storeObjects.set({ resource }, size());
      if (namespace === undefined) return;
      served.looked(namespace);
      metrics.namespaceOpen.set({ namespace }, served.closed(namespace) === undefined ? 1 : 0);
    },
  });
  if (namespace !== undefined) served.add({ namespace, isOpen: () => reflector.health().open });
  return reflector;
}

/** Whether the cluster does not serve the kind at all. */
export function isAbsent(reflector: Reflector): boolean {
  return reflector.health().state === 'absent';
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
