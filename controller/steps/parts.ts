import type { DataVolume } from '../../shared/api/datavolume.ts';
import { finalizer, labels } from '../../shared/api/names.ts';
import {
  type KubeObject,
  keyOf,
  type ObjectMeta,
  type ObjectReference,
  type OwnerReference,
  type PersistentVolumeClaim,
  type Stored,
} from '../../shared/api/objects.ts';
import { apiVersionOf, claims, dataVolumes, type Resource } from '../../shared/kube/resource.ts';
import { childLabels, hasFinalizer } from '../children.ts';
import type { CreateEffect, DeleteEffect, PatchEffect } from '../effects.ts';
import { type Observed, targetRef } from '../observed.ts';
import type { Step } from './step.ts';

/** Pieces that steps are made of. */

export function patchVolume(volume: Stored<DataVolume>, patch: object, subresource?: 'status'): PatchEffect {
  const { uid, resourceVersion } = volume.metadata;
  const at = subresource === undefined ? {} : { subresource };
  return { kind: 'patch', resource: dataVolumes, ref: targetRef(volume), uid, resourceVersion, patch, ...at };
}

export function patchObject<T extends KubeObject>(
  resource: Resource<T>,
  object: Stored<T>,
  patch: object,
): PatchEffect {
  const { name, namespace = '', uid, resourceVersion } = object.metadata;
  return { kind: 'patch', resource, ref: { namespace, name }, uid, resourceVersion, patch };
}

export function patchClaim(claim: Stored<PersistentVolumeClaim>, patch: object): PatchEffect {
  return patchObject(claims, claim, patch);
}

export function create(volume: Stored<DataVolume>, resource: Resource<KubeObject>, object: KubeObject): CreateEffect {
  return { kind: 'create', resource, object, ownerUid: volume.metadata.uid };
}

/** What is on its way out already is left alone. */
export function remove<T extends KubeObject>(
  resource: Resource<T>,
  object: Stored<T> | undefined,
): readonly DeleteEffect[] {
  if (object === undefined || isGoing(object)) return [];
  const { name, namespace = '', uid } = object.metadata;
  return [{ kind: 'delete', resource, ref: { namespace, name }, uid }];
}

/** Only as it was looked at: what has changed in the meantime may have come to be worth keeping. */
export function removeAsSeen<T extends KubeObject>(
  resource: Resource<T>,
  object: Stored<T> | undefined,
): readonly DeleteEffect[] {
  const resourceVersion = object?.metadata.resourceVersion ?? '';
  return remove(resource, object).map((effect) => ({ ...effect, resourceVersion }));
}

export function isGoing({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** For the `on` of a wait. */
export function about(resource: Resource<KubeObject>, { metadata }: Stored<KubeObject>): ObjectReference {
  const { namespace = '', name, uid } = metadata;
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, namespace, name, uid };
}

/** How an object is named to people. */
export function naming(resource: Resource<KubeObject>, { metadata }: Stored<KubeObject>): string {
  return `${resource.kind} ${keyOf(metadata)}`;
}

/** Metadata of a child; within the DataVolume's own namespace the garbage collector takes it along, too. */
export function childMeta(volume: Stored<DataVolume>, namespace: string, name: string): ObjectMeta {
  const owned = namespace === volume.metadata.namespace ? { ownerReferences: [ownedBy(volume)] } : {};
  // A backup of it could only be restored without the clone that it belongs to.
  const marks = { ...childLabels(volume.metadata.uid), [labels.excludeFromBackup]: 'true' };
  return { namespace, name, labels: marks, ...owned };
}

/** The object goes with the DataVolume, and a foreground deletion of the DataVolume waits for it. */
export function ownedBy({ metadata: { name, uid } }: Stored<DataVolume>): OwnerReference {
  const { kind } = dataVolumes;
  return { apiVersion: apiVersionOf(dataVolumes), kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** Before the first child is made: from then on a deletion waits until we have cleaned up. */
export function hold(volume: Stored<DataVolume>): readonly PatchEffect[] {
  if (hasFinalizer(volume)) return [];
  return [patchVolume(volume, { metadata: { finalizers: [...(volume.metadata.finalizers ?? []), finalizer] } })];
}

/** When nothing of ours is left to clean up. The list is replaced as a whole, which the resourceVersion in the patch makes safe. */
export function release(volume: Stored<DataVolume>): readonly PatchEffect[] {
  if (!hasFinalizer(volume)) return [];
  const finalizers = (volume.metadata.finalizers ?? []).filter((name) => name !== finalizer);
  return [patchVolume(volume, { metadata: { finalizers } })];
}

/** Steps that are all behind us as soon as `passed` says so: what they have made is used up or gone by then. */
export function until(passed: (o: Observed) => boolean, steps: readonly Step[]): readonly Step[] {
  return steps.map((step) => ({ ...step, done: (o) => passed(o) || step.done(o) }));
}
