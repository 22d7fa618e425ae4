import { fill, type InformOptions, isAbsent, reflecting } from '../shared/kube/informer.ts';
import {
  claims,
  csiDrivers,
  dataVolumes,
  persistentVolumes,
  pods,
  storageClasses,
  storageProfiles,
  volumeSnapshotClasses,
  volumeSnapshots,
} from '../shared/kube/resource.ts';
import type { Component } from '../shared/process/run.ts';
import { createStores, type Stores } from './stores.ts';

/** Keeps the stores equal to the cluster. */

export interface Watches extends Component {
  readonly stores: Stores;
}

/** Started when every store is filled; ready as long as none has yet to be. */
export function createWatches(options: InformOptions): Watches {
  const stores = createStores(
    () => !snapshots.some(isAbsent),
    (namespace) => options.served.closed(namespace),
  );
  const snapshots = fill(options, volumeSnapshotClasses, stores.volumeSnapshotClasses);
  const reflectors = [
    fill(options, dataVolumes, stores.volumes),
    fill(options, claims, stores.claims),
    fill(options, persistentVolumes, stores.persistentVolumes),
    fill(options, volumeSnapshots, stores.snapshots),
    fill(options, pods, stores.pods),
    fill(options, storageClasses, stores.storageClasses),
    fill(options, storageProfiles, stores.storageProfiles),
    fill(options, csiDrivers, stores.csiDrivers),
    snapshots,
  ];
  return { ...reflecting('watches', reflectors.flat()), stores };
}
