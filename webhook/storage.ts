import type { StorageLookups } from '../shared/decision/gather.ts';
import { type InformOptions, inform, isAbsent, reflecting } from '../shared/kube/informer.ts';
import { csiDrivers, storageClasses, storageProfiles, volumeSnapshotClasses } from '../shared/kube/resource.ts';
import type { Component } from '../shared/process/run.ts';

/** What the cluster's storage is made of, kept in memory: few objects, seldom changed, and needed for each decision. */

export interface Storage extends Component {
  /** As it is known now. */
  readonly lookups: () => StorageLookups;
}

/** Started, and ready, when each kind was listed once: before that, what is not known may exist all the same. */
export function createStorage(options: InformOptions): Storage {
  const classes = inform(options, storageClasses);
  const profiles = inform(options, storageProfiles);
  const drivers = inform(options, csiDrivers);
  const snapshotClasses = inform(options, volumeSnapshotClasses);
  const reflectors = [classes, profiles, drivers, snapshotClasses].flatMap((informed) => informed.reflectors);
  return {
    ...reflecting('storage', reflectors),
    lookups: () => ({
      storageClasses: classes.store,
      storageProfiles: profiles.store,
      csiDrivers: drivers.store,
      // A cluster without snapshots is told from one without classes for them: the user has to do something else about it.
      ...(snapshotClasses.reflectors.some(isAbsent) ? {} : { volumeSnapshotClasses: snapshotClasses.store }),
    }),
  };
}
