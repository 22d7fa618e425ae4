import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import { annotations, isStrategy } from '../shared/api/names.ts';
import {
  type CSIDriver,
  type KubeObject,
  keyOf,
  type ObjectMeta,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type StorageClass,
  type StorageProfile,
  type Stored,
  type VolumeSnapshot,
  type VolumeSnapshotClass,
} from '../shared/api/objects.ts';
import type { Pod } from '../shared/api/pod.ts';
import { type PodUse, writtenBy } from '../shared/api/pods.ts';
import type { StorageLookups } from '../shared/decision/gather.ts';
import {
  claims,
  dataVolumes,
  persistentVolumes,
  pods,
  type Resource,
  volumeSnapshots,
} from '../shared/kube/resource.ts';
import { createProjectedStore, createStore, type Store, type StoreReader } from '../shared/kube/store.ts';
import { isCopyPod, ownerInTemporaryName, ownerUidOf, sharersOf } from './children.ts';
import { groupsOf } from './groups.ts';
import { sourcesOf } from './hint.ts';
import { type KnownPod, knownPod, leanClaim, leanSnapshot, leanVolume } from './lean.ts';
import { isAwake, isResting, type KnownVolume, knownVolume } from './resting.ts';

/** What the controller keeps in memory, and by what it finds it again. */

export interface Stores {
  readonly volumes: StoreReader<KnownVolume>;
  readonly claims: StoreReader<PersistentVolumeClaim>;
  readonly persistentVolumes: StoreReader<PersistentVolume>;
  readonly snapshots: StoreReader<VolumeSnapshot>;
  readonly pods: StoreReader<KnownPod>;
  readonly storageClasses: StoreReader<StorageClass>;
  readonly storageProfiles: StoreReader<StorageProfile>;
  readonly csiDrivers: StoreReader<CSIDriver>;
  readonly volumeSnapshotClasses: StoreReader<VolumeSnapshotClass>;
  /** Whether the cluster serves the snapshot API at all. */
  snapshotsServed(): boolean;
  /** Why what is in a namespace is not in the stores, in a sentence without an end; undefined when it is. */
  closed(namespace: string): string | undefined;
}

/** The same, with the writers' side: what comes from the API server, whatever is kept of it. */
interface Filled extends Stores {
  readonly volumes: Store<DataVolume, KnownVolume>;
  readonly claims: Store<PersistentVolumeClaim>;
  readonly persistentVolumes: Store<PersistentVolume>;
  readonly snapshots: Store<VolumeSnapshot>;
  readonly pods: Store<Pod, KnownPod>;
  readonly storageClasses: Store<StorageClass>;
  readonly storageProfiles: Store<StorageProfile>;
  readonly csiDrivers: Store<CSIDriver>;
  readonly volumeSnapshotClasses: Store<VolumeSnapshotClass>;
}

const indexes = {
  source: 'source',
  undecided: 'undecided',
  writes: 'writes',
  uses: 'uses',
  uid: 'uid',
  owner: 'owner',
  group: 'group',
  of: 'of',
  copies: 'copies',
} as const;
const all = 'all';
const byOwner = {
  [indexes.owner]: (object: { readonly metadata: ObjectMeta }) => {
    const uid = ownerUidOf(object);
    return uid === undefined ? [] : [uid];
  },
};

export function createStores(snapshotsServed: () => boolean, closed: Stores['closed'] = () => undefined): Filled {
  return {
    volumes: createProjectedStore(knownVolume, {
      indexes: {
        [indexes.source]: (volume) => (isResting(volume) ? [] : sourcesOf(volume).map(sourceKey)),
        [indexes.undecided]: (volume) => (!isResting(volume) && isUndecided(volume) ? [all] : []),
        [indexes.uid]: ({ metadata }) => [metadata.uid],
        [indexes.group]: (volume) => (isResting(volume) ? [] : groupsOf(volume, sourcesOf(volume))),
      },
    }),
    claims: createProjectedStore(leanClaim, { indexes: byOwner }),
    persistentVolumes: createProjectedStore(leanVolume, { indexes: byOwner }),
    snapshots: createProjectedStore(leanSnapshot, {
      indexes: { [indexes.owner]: sharersOf, [indexes.of]: takenOf },
    }),
    pods: createProjectedStore(knownPod, {
      indexes: {
        ...byOwner,
        [indexes.writes]: writtenBy,
        [indexes.uses]: usedBy,
        [indexes.copies]: (pod) => (isCopyPod(pod) ? [all] : []),
      },
    }),
    storageClasses: createStore<StorageClass>(),
    storageProfiles: createStore<StorageProfile>(),
    csiDrivers: createStore<CSIDriver>(),
    volumeSnapshotClasses: createStore<VolumeSnapshotClass>(),
    snapshotsServed,
    closed,
  };
}

/** The same, as the decision asks for it. */
export function lookupsOf(stores: Stores): StorageLookups {
  const { storageClasses, storageProfiles, csiDrivers, volumeSnapshotClasses } = stores;
  const known = { storageClasses, storageProfiles, csiDrivers };
  return stores.snapshotsServed() ? { ...known, volumeSnapshotClasses } : known;
}

/** DataVolumes that clone this source, or may, and have not come to rest. */
export function clonesOf({ volumes }: Stores, source: CloneSource): readonly Stored<DataVolume>[] {
  return volumes.by(indexes.source, sourceKey(source)).filter(isAwake);
}

/** DataVolumes for which no strategy is chosen yet. */
export function undecided({ volumes }: Stores): readonly Stored<DataVolume>[] {
  return volumes.by(indexes.undecided, all).filter(isAwake);
}

/** Clones of a group that are not at their end. */
export function clonesIn({ volumes }: Stores, group: string): readonly Stored<DataVolume>[] {
  return volumes.by(indexes.group, group).filter(isAwake);
}

/** Key of the DataVolume that has this uid. */
export function keyOfVolume(stores: Stores, uid: string): string | undefined {
  const volume = volumeOf(stores, uid);
  return volume === undefined ? undefined : keyOf(volume.metadata);
}

/** What carries the marks of a DataVolume; a snapshot, those of every one that it was taken for. */
export function ownedBy<T extends KubeObject>(store: StoreReader<T>, uid: string): readonly Stored<T>[] {
  return store.by(indexes.owner, uid);
}

/** Snapshots of the claim of this key that were taken on the way of some clone. */
export function snapshotsOf({ snapshots }: Stores, claim: string): readonly Stored<VolumeSnapshot>[] {
  return snapshots.by(indexes.of, claim);
}

/** The DataVolume that has this uid. */
export function volumeOf({ volumes }: Pick<Stores, 'volumes'>, uid: string): Stored<KnownVolume> | undefined {
  return volumes.by(indexes.uid, uid)[0];
}

/** Pods that may write to the claim of this key. */
export function writersOf({ pods }: Stores, claim: string): readonly Stored<KnownPod>[] {
  return pods.by(indexes.writes, claim);
}

/** Pods that have, or want, the temporary claim of this key, be it to read only. */
export function usersOf({ pods }: Stores, claim: string): readonly Stored<KnownPod>[] {
  return pods.by(indexes.uses, claim);
}

/** The pods that copy. */
export function copyPodsIn({ pods }: Pick<Stores, 'pods'>): readonly Stored<KnownPod>[] {
  return pods.by(indexes.copies, all);
}

/** Keys of what may be temporary claims that a pod has or wants. */
export function usedBy({ metadata: { namespace = '' }, writes, reads }: PodUse): readonly string[] {
  const names = [...writes, ...reads].filter((name) => ownerInTemporaryName(name) !== undefined);
  return names.map((name) => keyOf({ namespace, name }));
}

/** An object that we write, by its kind: where to look whether what was written has come back. */
export function lookup(stores: Stores, resource: Resource<KubeObject>, key: string): KubeObject | undefined {
  switch (resource.plural) {
    case dataVolumes.plural:
      return stores.volumes.get(key);
    case claims.plural:
      return stores.claims.get(key);
    case persistentVolumes.plural:
      return stores.persistentVolumes.get(key);
    case volumeSnapshots.plural:
      return stores.snapshots.get(key);
    case pods.plural:
      return stores.pods.get(key);
    default:
      throw new RangeError(`there is no store of ${resource.plural}`);
  }
}

/** Key of the claim that a snapshot of ours was taken of. */
function takenOf(snapshot: VolumeSnapshot): readonly string[] {
  const name = snapshot.spec?.source?.persistentVolumeClaimName;
  const { namespace = '' } = snapshot.metadata;
  return name === undefined || sharersOf(snapshot).length === 0 ? [] : [keyOf({ namespace, name })];
}

function sourceKey({ kind, namespace, name }: CloneSource): string {
  return `${kind} ${namespace}/${name}`;
}

function isUndecided({ metadata, status }: DataVolume): boolean {
  return status?.phase !== 'Succeeded' && !isStrategy(metadata.annotations?.[annotations.cloneType]);
}
