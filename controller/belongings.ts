import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import { controllerOf, type KubeObject, keyOf, type Stored, type VolumeSnapshot } from '../shared/api/objects.ts';
import { standingOf } from '../shared/decision/fallback.ts';
import {
  type Children,
  copyPodName,
  exportPodName,
  hasFinalizer,
  helperName,
  isChild,
  ownerUidOf,
  restoredName,
  sharersOf,
  snapshotName,
  temporaryName,
} from './children.ts';
import { sourcesOf } from './hint.ts';
import { holdsBytes } from './origin.ts';
import { isResting, type KnownVolume } from './resting.ts';
import { ownedBy, type Stores, volumeOf } from './stores.ts';

/**
 * What in the stores belongs to a clone, alone or together with others.
 *
 * A snapshot may be shared. It names its sharers when it is asked for, and none joins later. From that follows all the rest:
 * - It is cut after it was asked for, and so after each sharer was there: no clone gets content that is older than its DataVolume. No two
 *   clocks are compared.
 * - A sharer needs it until the volume that it restores is there, and not again afterwards. Whoever sees in the stores, however old
 *   they are, that no other needs it, may remove it. (Should a sharer have to begin anew, for somebody deleted its claim, and find the
 *   snapshot gone, then it takes another.)
 * - Who ceases to need it is looked at because of that, and sees whether he was the last. So the last one removes it, whichever that is,
 *   and whether he has come to his end, is deleted, or goes on with another strategy.
 */

/** Where children of a clone may lie. */
export interface ChildNamespaces {
  /** That of the DataVolume. */
  readonly own: string;
  /** That of the source, where all are made but a helper of the target claim; undefined when nobody knows it. */
  readonly source: string | undefined;
}

/** By what the DataVolume says of its source. Whether that was authorized is another question. */
export function namespacesOf(volume: Stored<KnownVolume>): ChildNamespaces {
  const source = isResting(volume) ? volume.sourceNamespace : sourcesOf(volume)[0]?.namespace;
  return { own: volume.metadata.namespace ?? '', source };
}

/**
 * Everything that was made for a DataVolume on the way. Marks, names and places together count: whoever knows its uid can give these marks
 * and names to objects of his own, and the clone would go on with what those hold.
 */
export function childrenOf(stores: Stores, uid: string, { own, source }: ChildNamespaces): Children {
  const named = <T extends KubeObject>(
    objects: readonly Stored<T>[],
    name: string,
    ...places: readonly (string | undefined)[]
  ): readonly Stored<T>[] =>
    objects.filter(
      (object) =>
        object.metadata.name === name && isChild(object, uid) && places.includes(object.metadata.namespace ?? ''),
    );
  const [temporary] = named(ownedBy(stores.claims, uid), temporaryName(uid), source);
  const [restored] = named(ownedBy(stores.claims, uid), restoredName(uid), source);
  const [moving] = ownedBy(stores.persistentVolumes, uid);
  const helpers = named(ownedBy(stores.pods, uid), helperName(uid), source, own);
  const [copyPod] = named(ownedBy(stores.pods, uid), copyPodName(uid), source);
  const [exportPod] = named(ownedBy(stores.pods, uid), exportPodName(uid), source);
  const snapshots = snapshotsFor(stores, uid, source);
  const disposable = snapshots.filter((snapshot) => !sharersOf(snapshot).some((other) => needs(stores, other, uid)));
  const snapshot = preferred(stores, uid, snapshots);
  return { temporary, restored, moving, helpers, copyPod, exportPod, snapshot, disposable };
}

/**
 * What another clone took is only used when it was taken of the stamped source: whoever may edit snapshots there can write any name on any.
 * @param source undefined when nobody knows it, and then nothing is restored.
 */
export function ofSource(children: Children, uid: string, source: CloneSource | undefined): Children {
  const { snapshot } = children;
  if (snapshot === undefined || source === undefined || ownerUidOf(snapshot) === uid) return children;
  const { metadata, spec } = snapshot;
  const taken = spec?.source?.persistentVolumeClaimName === source.name && metadata.namespace === source.namespace;
  const fits = taken && source.kind === 'PersistentVolumeClaim';
  return fits ? children : { ...children, snapshot: undefined };
}

/** @param place namespace of the source. */
function snapshotsFor(
  { snapshots }: Stores,
  uid: string,
  place: string | undefined,
): readonly Stored<VolumeSnapshot>[] {
  return ownedBy(snapshots, uid).filter((snapshot) => {
    const { name, namespace } = snapshot.metadata;
    const owner = ownerUidOf(snapshot) ?? '';
    return namespace === place && isChild(snapshot, owner) && name === snapshotName(owner);
  });
}

/**
 * There is more than one only when a leader that was cut off has asked for one, too. Then what a claim is made from goes before the
 * others, what stays before what goes, and its own before one that is shared.
 */
function preferred(
  stores: Stores,
  uid: string,
  snapshots: readonly Stored<VolumeSnapshot>[],
): Stored<VolumeSnapshot> | undefined {
  if (snapshots.length < 2) return snapshots[0];
  const from = new Set(ownedBy(stores.claims, uid).map(({ spec }) => spec?.dataSourceRef?.name));
  const rank = (snapshot: Stored<VolumeSnapshot>): number =>
    (from.has(snapshot.metadata.name) ? 0 : 4) +
    (snapshot.metadata.deletionTimestamp === undefined ? 0 : 2) +
    (ownerUidOf(snapshot) === uid ? 0 : 1);
  const name = ({ metadata }: Stored<VolumeSnapshot>): string => metadata.name;
  return snapshots.toSorted((a, b) => rank(a) - rank(b) || name(a).localeCompare(name(b)))[0];
}

/** Whether a snapshot was taken for it already, whatever has become of that. */
export function hasSnapshot(stores: Stores, uid: string): boolean {
  const volume = volumeOf(stores, uid);
  return volume !== undefined && snapshotsFor(stores, uid, namespacesOf(volume).source).length > 0;
}

function needs(stores: Stores, uid: string, asking: string): boolean {
  return uid !== asking && needsSnapshot(stores, volumeOf(stores, uid));
}

/** Whether a clone is on its way by a snapshot and has no volume yet. */
export function needsSnapshot(stores: Stores, volume: Stored<KnownVolume> | undefined): boolean {
  if (
    volume === undefined ||
    isResting(volume) ||
    !hasFinalizer(volume) ||
    volume.metadata.deletionTimestamp !== undefined
  )
    return false;
  return standingOf(volume.metadata.annotations)?.strategy === 'snapshot' && !isFilled(stores, volume);
}

/** A volume is there, be it beside the source, on its way, or where it is to be. */
function isFilled(stores: Stores, volume: Stored<DataVolume>): boolean {
  const { metadata } = volume;
  const { uid } = metadata;
  const { source } = namespacesOf(volume);
  const target = stores.claims.get(keyOf(metadata));
  const own = target !== undefined && controllerOf(target)?.uid === uid && target.spec?.volumeName !== undefined;
  const temporary = ownedBy(stores.claims, uid).filter(
    (claim) => claim.metadata.name === temporaryName(uid) && claim.metadata.namespace === source,
  );
  return own || temporary.some(holdsBytes) || ownedBy(stores.persistentVolumes, uid).length > 0;
}
