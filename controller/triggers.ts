import type { CloneSource } from '../shared/api/datavolume.ts';
import {
  type KubeObject,
  keyOf,
  type PersistentVolume,
  refOf,
  type Stored,
  type VolumeSnapshot,
} from '../shared/api/objects.ts';
import { writtenBy } from '../shared/api/pods.ts';
import type { Change, StoreReader } from '../shared/kube/store.ts';
import { ownerInTemporaryName, ownerUidOf, sharersOf } from './children.ts';
import { sourceGroup } from './groups.ts';
import type { KnownPod } from './lean.ts';
import type { KnownVolume } from './resting.ts';
import { clonesIn, clonesOf, keyOfVolume, type Stores, undecided, usedBy } from './stores.ts';

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
    on(stores.persistentVolumes, ofPersistentVolume),
    on(stores.snapshots, ofSnapshot),
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
function ofVolume(stores: Stores, { object, previous }: Change<KnownVolume>): readonly string[] {
  const key = keyOf(object.metadata);
  const samePhase = previous !== undefined && previous.status?.phase === object.status?.phase;
  return samePhase ? [key] : [key, ...keysOfClones(stores, key)];
}

/**
 * The DataVolume of its name, whether the claim belongs to it or stands in its way; that which it was made for; and those that clone
 * the claim.
 */
function ofClaim(stores: Stores, change: Change<KubeObject>): readonly string[] {
  const key = keyOf(change.object.metadata);
  const target = stores.volumes.get(key) === undefined ? [] : [key];
  return [...new Set([...target, ...ofChild(stores, change), ...keysOfClones(stores, key)])];
}

/** Those for which it was taken, and those that restore it; and when it is no longer in the making, those that wait to take the next. */
function ofSnapshot(stores: Stores, { type, object, previous }: Change<VolumeSnapshot>): readonly string[] {
  const { namespace = '', name } = object.metadata;
  const uids = new Set([object, previous].flatMap((seen) => (seen === undefined ? [] : sharersOf(seen))));
  const of = object.spec?.source?.persistentVolumeClaimName;
  const over = type === 'deleted' || isOver(object) !== (previous !== undefined && isOver(previous));
  const next =
    uids.size === 0 || of === undefined || !over
      ? []
      : clonesIn(stores, sourceGroup({ kind: 'PersistentVolumeClaim', namespace, name: of }));
  return [
    ...new Set([
      ...[...uids].flatMap((uid) => keyOfVolume(stores, uid) ?? []),
      ...keysOf(clonesOf(stores, { kind: 'VolumeSnapshot', namespace, name })),
      ...keysOf(next),
    ]),
  ];
}

function isOver({ metadata, status }: VolumeSnapshot): boolean {
  return status?.readyToUse === true || status?.error !== undefined || metadata.deletionTimestamp !== undefined;
}

/** That which it is handed over for, and that to whose claim it is bound: it may come into the store after the claim. */
function ofPersistentVolume(stores: Stores, change: Change<PersistentVolume>): readonly string[] {
  const { namespace = '', name = '' } = change.object.spec?.claimRef ?? {};
  const claim = stores.claims.get(keyOf({ namespace, name }));
  const uid = claim === undefined ? undefined : ownerUidOf(claim);
  const key = uid === undefined ? undefined : keyOfVolume(stores, uid);
  return [...new Set([...ofChild(stores, change), ...(key === undefined ? [] : [key])])];
}

/** The DataVolume that the marks name. A volume loses them when it is handed over, which has to be seen too. */
function ofChild(stores: Stores, { object, previous }: Change<KubeObject>): readonly string[] {
  const uids = new Set([object, previous].flatMap((seen) => (seen === undefined ? [] : (ownerUidOf(seen) ?? []))));
  return [...uids].flatMap((uid) => keyOfVolume(stores, uid) ?? []);
}

/** That which it helps; those that clone a claim which the pod has begun or ceased to write to; and those whose temporary claim it let go of. */
function ofPod(stores: Stores, change: Change<KnownPod>): readonly string[] {
  const { type, object, previous } = change;
  const before = previous === undefined ? [] : writtenBy(previous);
  const now = type === 'deleted' ? [] : writtenBy(object);
  const changed = [
    ...before.filter((claim) => !now.includes(claim)),
    ...now.filter((claim) => !before.includes(claim)),
  ];
  const left =
    previous === undefined
      ? []
      : usedBy(previous).filter((claim) => !(type !== 'deleted' && usedBy(object).includes(claim)));
  return [
    ...ofChild(stores, change),
    ...changed.flatMap((claim) => keysOfClones(stores, claim)),
    ...left.flatMap((claim) => keyOfVolume(stores, ownerInTemporaryName(refOf(claim).name) ?? '') ?? []),
  ];
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

function keysOf(volumes: readonly Stored<KnownVolume>[]): readonly string[] {
  return volumes.map(({ metadata }) => keyOf(metadata));
}
