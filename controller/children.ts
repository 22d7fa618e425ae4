import { annotations, finalizer, labels } from '../shared/api/names.ts';
import {
  controllerOf,
  type KubeObject,
  type ObjectMeta,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Stored,
  type VolumeSnapshot,
} from '../shared/api/objects.ts';
import type { Pod } from '../shared/api/pod.ts';
import type { CreateEffect } from './effects.ts';

/**
 * What a clone makes on its way and does not leave behind. Names follow from the DataVolume's uid, so that a controller that knows
 * nothing finds what an earlier one has made, and never makes it twice. Every child carries the owner label, in whatever namespace.
 */
export interface Children {
  /** The claim beside the source that is filled, grown, and then gives its volume to the target claim. */
  readonly temporary: Stored<PersistentVolumeClaim> | undefined;
  /** What the clone is restored from; taken for it alone, or for several. */
  readonly snapshot: Stored<VolumeSnapshot> | undefined;
  /** Those that were taken for it and that nobody else needs any more, `snapshot` among them when that is so. */
  readonly disposable: readonly Stored<VolumeSnapshot>[];
  /** Pods that make a node do something for a claim; at most one in a namespace. */
  readonly helpers: readonly Stored<Pod>[];
  /** The claim that a snapshot is restored into, for its bytes to be copied from there. */
  readonly restored: Stored<PersistentVolumeClaim> | undefined;
  /** The pod that copies the source's bytes into the temporary claim. */
  readonly copyPod: Stored<Pod> | undefined;
  /** The pod that hands the source's bytes to the copy pod over the network, where no node reaches both volumes. */
  readonly exportPod: Stored<Pod> | undefined;
  /** The volume that is being handed over. It is not a child, but it carries our marks until it is the target's like any other. */
  readonly moving: Stored<PersistentVolume> | undefined;
}

/** The pods of a copy, which has one or two. */
export function copyPodsOf({ copyPod, exportPod }: Children): readonly Stored<Pod>[] {
  return [copyPod, exportPod].filter((pod) => pod !== undefined);
}

const prefix = 'clonegate';
export const managedBy = 'clonegate';

/** 46 characters. */
export const temporaryName = (uid: string): string => `${prefix}-${uid}`;
/** The inverse; undefined for a name that it does not make, and something else for that of another child. */
export const ownerInTemporaryName = (name: string): string | undefined =>
  /^clonegate-(?<uid>.+)$/u.exec(name)?.groups?.['uid'];
/** 51 characters. */
export const snapshotName = (uid: string): string => `${prefix}-snap-${uid}`;
/** 50 characters; a pod's name is the host name in it, and that has 63 at most. */
export const helperName = (uid: string): string => `${prefix}-pod-${uid}`;

/** 53 characters. */
export const restoredName = (uid: string): string => `${prefix}-source-${uid}`;
/** 51 characters. */
export const copyPodName = (uid: string): string => `${prefix}-copy-${uid}`;
/** 53 characters. */
export const exportPodName = (uid: string): string => `${prefix}-export-${uid}`;
/** 51 characters; of the Secret with the key that the two pods know each other by. One for each temporary claim. */
export const copyKeyName = (temporaryUid: string): string => `${prefix}-keys-${temporaryUid}`;
/** 53 characters; of the NetworkPolicy of one of them. */
export const copyPolicyName = (temporaryUid: string, role: 'export' | 'import'): string =>
  `${prefix}-${role}-${temporaryUid}`;

/** Whether a snapshot of this name was taken on the way of some clone. */
export function isSnapshotName(name: string): boolean {
  return name.startsWith(snapshotName(''));
}

/** Uids of the DataVolumes that a snapshot of ours was taken for, the one that took it first. */
export function sharersOf({ metadata }: VolumeSnapshot): readonly string[] {
  const owner = metadata.labels?.[labels.ownerUid];
  const named = metadata.annotations?.[annotations.snapshotFor]?.split(' ') ?? [];
  return owner === undefined ? [] : [...new Set([owner, ...named])];
}

/** Whether its clone has begun and has not come to its end: then it may have children, or is about to make one. */
export function hasFinalizer({ metadata }: KubeObject): boolean {
  return metadata.finalizers?.includes(finalizer) === true;
}

/** The labels that mark what is made for a DataVolume. */
export function childLabels(uid: string): Readonly<Record<string, string>> {
  return { [labels.ownerUid]: uid, [labels.managedBy]: managedBy };
}

/** Uid of the DataVolume that the marks on an object name. */
export function ownerUidOf({ metadata }: { readonly metadata: ObjectMeta }): string | undefined {
  return metadata.labels?.[labels.ownerUid];
}

/** Whether an object under a child's name is that child. */
export function isChild({ metadata }: KubeObject, uid: string): boolean {
  return metadata.labels?.[labels.ownerUid] === uid && metadata.labels[labels.managedBy] === managedBy;
}

/** Whether a pod is the copy pod of whatever DataVolume. */
export function isCopyPod(pod: Pod): boolean {
  const uid = ownerUidOf(pod);
  return uid !== undefined && isChild(pod, uid) && pod.metadata.name === copyPodName(uid);
}

/**
 * Whether what exists is what an effect would have made. Where an owner reference is possible, it decides; a label alone could be copied
 * onto another object by anyone who likes its labels.
 */
export function belongsTo(existing: KubeObject, { object, ownerUid }: CreateEffect): boolean {
  if (controllerOf(object) !== undefined) return controllerOf(existing)?.uid === ownerUid;
  return isChild(existing, ownerUid);
}
