import type { KubeObject } from '../shared/api/objects.ts';
import type { StorageLookups } from '../shared/decision/gather.ts';
import type { Client, Watcher } from '../shared/kube/client.ts';
import { createReflector, type Reflector } from '../shared/kube/reflector.ts';
import {
  csiDrivers,
  type Resource,
  storageClasses,
  storageProfiles,
  volumeSnapshotClasses,
} from '../shared/kube/resource.ts';
import { createStore, type StoreOptions, type StoreReader } from '../shared/kube/store.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Health } from '../shared/process/health.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Component } from '../shared/process/run.ts';

/** What the cluster's storage is made of, kept in memory: few objects, seldom changed, and needed for each decision. */

export interface StorageOptions {
  readonly client: Pick<Client, 'pages'> & Watcher;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'watchRestarts' | 'storeObjects'>;
  readonly health: Health;
}

export interface Storage extends Component {
  /** As it is known now. */
  readonly lookups: () => StorageLookups;
}

/** Started, and ready, when each kind was listed once: before that, what is not known may exist all the same. */
export function createStorage(options: StorageOptions): Storage {
  const classes = keep(options, storageClasses);
  const profiles = keep(options, storageProfiles);
  const drivers = keep(options, csiDrivers);
  const snapshotClasses = keep(options, volumeSnapshotClasses);
  const reflectors = [classes, profiles, drivers, snapshotClasses].map(({ reflector }) => reflector);
  return {
    name: 'storage',
    lookups: () => ({
      storageClasses: classes.store,
      storageProfiles: profiles.store,
      csiDrivers: drivers.store,
      // A cluster without snapshots is told from one without classes for them: the user has to do something else about it.
      ...(snapshotClasses.reflector.health().state === 'absent'
        ? {}
        : { volumeSnapshotClasses: snapshotClasses.store }),
    }),
    start: async (signal) => {
      for (const reflector of reflectors) reflector.start(signal);
      await Promise.all(reflectors.map(({ synced }) => synced));
    },
    stop: async () => {
      await Promise.all(reflectors.map(({ stopped }) => stopped));
    },
  };
}

/** A store of one kind, what fills it, and a readiness check for it. */
export function keep<T extends KubeObject>(
  { client, clock, random, log, metrics, health }: StorageOptions,
  kind: Resource<T>,
  options: StoreOptions<T> = {},
): { readonly store: StoreReader<T>; readonly reflector: Reflector } {
  const resource = kind.plural;
  const store = createStore<T>(options);
  const reflector = createReflector({
    client,
    kind,
    store,
    clock,
    random,
    log,
    observe: (event) => {
      if (event.type === 'restart') metrics.watchRestarts.inc({ resource, cause: event.cause });
      else metrics.storeObjects.set({ resource }, event.objects);
    },
  });
  health.check(`watch-${resource}`, () => store.synced || `${resource} are not listed yet`);
  return { store, reflector };
}
