import { type CloneSource, type DataVolume, namedSource } from '../shared/api/datavolume.ts';
import { annotations, isStrategy } from '../shared/api/names.ts';
import {
  type CSIDriver,
  keyOf,
  type KubeObject,
  type PersistentVolumeClaim,
  type Pod,
  type StorageClass,
  type StorageProfile,
  type Stored,
  type VolumeSnapshotClass,
} from '../shared/api/objects.ts';
import { claimsWrittenBy, leanPod } from '../shared/api/pods.ts';
import type { StorageLookups } from '../shared/decision/gather.ts';
import { claims, dataVolumes, type Resource } from '../shared/kube/resource.ts';
import { createStore, type Store, type StoreReader } from '../shared/kube/store.ts';
import { hintedSource } from './hint.ts';

/** What the controller keeps in memory, and by what it finds it again. */

export interface Stores {
  readonly volumes: StoreReader<DataVolume>;
  readonly claims: StoreReader<PersistentVolumeClaim>;
  readonly pods: StoreReader<Pod>;
  readonly storageClasses: StoreReader<StorageClass>;
  readonly storageProfiles: StoreReader<StorageProfile>;
  readonly csiDrivers: StoreReader<CSIDriver>;
  readonly volumeSnapshotClasses: StoreReader<VolumeSnapshotClass>;
  /** Whether the cluster serves the snapshot API at all. */
  snapshotsServed(): boolean;
}

type Filled<S> = { readonly [K in keyof S]: S[K] extends StoreReader<infer T> ? Store<T> : S[K] };

const indexes = { source: 'source', undecided: 'undecided', writes: 'writes' } as const;
const all = 'all';

export function createStores(snapshotsServed: () => boolean): Filled<Stores> {
  return {
    volumes: createStore<DataVolume>({
      indexes: {
        [indexes.source]: (volume) => sourcesOf(volume).map(sourceKey),
        [indexes.undecided]: (volume) => (isUndecided(volume) ? [all] : []),
      },
    }),
    claims: createStore<PersistentVolumeClaim>({ transform: leanClaim }),
    pods: createStore<Pod>({
      transform: leanPod,
      indexes: { [indexes.writes]: (pod) => writtenBy(pod) },
    }),
    storageClasses: createStore<StorageClass>(),
    storageProfiles: createStore<StorageProfile>(),
    csiDrivers: createStore<CSIDriver>(),
    volumeSnapshotClasses: createStore<VolumeSnapshotClass>(),
    snapshotsServed,
  };
}

/** The same, as the decision asks for it. */
export function lookupsOf(stores: Stores): StorageLookups {
  const { storageClasses, storageProfiles, csiDrivers, volumeSnapshotClasses } = stores;
  const known = { storageClasses, storageProfiles, csiDrivers };
  return stores.snapshotsServed() ? { ...known, volumeSnapshotClasses } : known;
}

/** DataVolumes that clone this source, or may. */
export function clonesOf({ volumes }: Stores, source: CloneSource): readonly Stored<DataVolume>[] {
  return volumes.by(indexes.source, sourceKey(source));
}

/** DataVolumes for which no strategy is chosen yet. */
export function undecided({ volumes }: Stores): readonly Stored<DataVolume>[] {
  return volumes.by(indexes.undecided, all);
}

/** Pods that may write to the claim of this key. */
export function writersOf({ pods }: Stores, claim: string): readonly Stored<Pod>[] {
  return pods.by(indexes.writes, claim);
}

/** Keys of the claims that a pod may write to. */
export function writtenBy(pod: Pod): readonly string[] {
  const { namespace = '' } = pod.metadata;
  return claimsWrittenBy(pod).map((name) => keyOf({ namespace, name }));
}

/** An object that we write, by its kind: where to look whether what was written has come back. */
export function lookup(stores: Stores, resource: Resource<KubeObject>, key: string): KubeObject | undefined {
  switch (resource.plural) {
    case dataVolumes.plural:
      return stores.volumes.get(key);
    case claims.plural:
      return stores.claims.get(key);
    default:
      throw new RangeError(`there is no store of ${resource.plural}`);
  }
}

function sourceKey({ kind, namespace, name }: CloneSource): string {
  return `${kind} ${namespace}/${name}`;
}

/**
 * What a change has to wake the DataVolume for: the source that it names, or where a DataSource led at admission. The stamp is only read
 * here, not verified; a forged one wakes its own DataVolume for nothing.
 */
function sourcesOf(volume: DataVolume): readonly CloneSource[] {
  const source = namedSource(volume) ?? hintedSource(volume.metadata.annotations?.[annotations.stamp]);
  return source === undefined ? [] : [source];
}

function isUndecided({ metadata, status }: DataVolume): boolean {
  return status?.phase !== 'Succeeded' && !isStrategy(metadata.annotations?.[annotations.cloneType]);
}

/** Annotations of a claim that are read here. Others may be long (last-applied-configuration), and there are many claims. */
const readAnnotations: ReadonlySet<string> = new Set([annotations.contentType, annotations.selectedNode]);

function leanClaim(claim: Stored<PersistentVolumeClaim>): Stored<PersistentVolumeClaim> {
  const { name, namespace = '', uid, resourceVersion, deletionTimestamp, ownerReferences } = claim.metadata;
  const kept = Object.entries(claim.metadata.annotations ?? {}).filter(([key]) => readAnnotations.has(key));
  return {
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(ownerReferences === undefined ? {} : { ownerReferences }),
      ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
    },
    ...(claim.spec === undefined ? {} : { spec: claim.spec }),
    ...(claim.status === undefined ? {} : { status: claim.status }),
  };
}
