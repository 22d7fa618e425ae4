import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import { keyOf, type KubeObject, type Pod, refOf, type Stored } from '../shared/api/objects.ts';
import type { Change, StoreReader } from '../shared/kube/store.ts';
import { clonesOf, type Stores, undecided, writtenBy } from './stores.ts';

/**
 * From a change of any watched object to the DataVolumes that have to be looked at because of it. A change says only "look again": what
 * is to be done follows from the objects alone.
 */

type Keys<T extends KubeObject> = (stores: Stores, change: Change<T>) => readonly string[];

/** One row for each kind that is watched. */
export function subscribe(stores: Stores, add: (key: string) => void): () => void {
  const on = <T extends KubeObject>(store: StoreReader<T>, keys: Keys<T>): (() => void) =>
    store.subscribe((change) => {
      for (const key of keys(stores, change)) add(key);
    });
  const ends = [
    on(stores.volumes, ofVolume),
    on(stores.claims, ofClaim),
    on(stores.pods, ofPod),
    on(stores.storageClasses, ofStorage),
    on(stores.storageProfiles, ofStorage),
    on(stores.csiDrivers, ofStorage),
    on(stores.volumeSnapshotClasses, ofStorage),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** Itself; and, when it becomes complete (or is no more), those that clone its claim and have waited for that. */
function ofVolume(stores: Stores, { object, previous }: Change<DataVolume>): readonly string[] {
  const key = keyOf(object.metadata);
  const samePhase = previous !== undefined && previous.status?.phase === object.status?.phase;
  return samePhase ? [key] : [key, ...keysOfClones(stores, key)];
}

/** The DataVolume of its name, whether the claim belongs to it or stands in its way; and those that clone the claim. */
function ofClaim(stores: Stores, { object }: Change<KubeObject>): readonly string[] {
  const key = keyOf(object.metadata);
  const target = stores.volumes.get(key) === undefined ? [] : [key];
  return [...target, ...keysOfClones(stores, key)];
}

/** Those that clone a claim which the pod has begun or ceased to write to. */
function ofPod(stores: Stores, { type, object, previous }: Change<Pod>): readonly string[] {
  const before = previous === undefined ? [] : writtenBy(previous);
  const now = type === 'deleted' ? [] : writtenBy(object);
  const changed = [
    ...before.filter((claim) => !now.includes(claim)),
    ...now.filter((claim) => !before.includes(claim)),
  ];
  return changed.flatMap((claim) => keysOfClones(stores, claim));
}

/** What the storage can do matters until it is decided how to clone. */
function ofStorage(stores: Stores): readonly string[] {
  return keysOf(undecided(stores));
}

function keysOfClones(stores: Stores, claim: string): readonly string[] {
  const { namespace = '', name } = refOf(claim);
  const source: CloneSource = { kind: 'PersistentVolumeClaim', namespace, name };
  return keysOf(clonesOf(stores, source));
}

function keysOf(volumes: readonly Stored<DataVolume>[]): readonly string[] {
  return volumes.map(({ metadata }) => keyOf(metadata));
}
