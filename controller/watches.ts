import type { KubeObject } from '../shared/api/objects.ts';
import type { Client, Watcher } from '../shared/kube/client.ts';
import { createReflector, type Reflector } from '../shared/kube/reflector.ts';
import {
  claims,
  csiDrivers,
  dataVolumes,
  persistentVolumes,
  pods,
  type Resource,
  storageClasses,
  storageProfiles,
  volumeSnapshotClasses,
  volumeSnapshots,
} from '../shared/kube/resource.ts';
import type { Store } from '../shared/kube/store.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Health } from '../shared/process/health.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Component } from '../shared/process/run.ts';
import { createStores, type Stores } from './stores.ts';

/** Keeps the stores equal to the cluster. */

export interface WatchOptions {
  readonly client: Pick<Client, 'pages'> & Watcher;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'watchRestarts' | 'storeObjects'>;
  readonly health: Health;
}

export interface Watches extends Component {
  readonly stores: Stores;
}

/** Started when every store is filled; ready as long as none has yet to be. */
export function createWatches(options: WatchOptions): Watches {
  const { client, clock, random, log, metrics, health } = options;
  const reflectors: Reflector[] = [];
  const keep = <T extends KubeObject>(kind: Resource<T>, store: Store<T>): Reflector => {
    const resource = kind.plural;
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
    reflectors.push(reflector);
    return reflector;
  };
  const stores = createStores(() => snapshots.health().state !== 'absent');
  keep(dataVolumes, stores.volumes);
  keep(claims, stores.claims);
  keep(persistentVolumes, stores.persistentVolumes);
  keep(volumeSnapshots, stores.snapshots);
  keep(pods, stores.pods);
  keep(storageClasses, stores.storageClasses);
  keep(storageProfiles, stores.storageProfiles);
  keep(csiDrivers, stores.csiDrivers);
  const snapshots = keep(volumeSnapshotClasses, stores.volumeSnapshotClasses);
  return {
    name: 'watches',
    stores,
    start: async (signal) => {
      for (const reflector of reflectors) reflector.start(signal);
      await Promise.all(reflectors.map(({ synced }) => synced));
    },
    stop: async () => {
      await Promise.all(reflectors.map(({ stopped }) => stopped));
    },
  };
}
