import type { DataVolume } from '../../shared/api/datavolume.ts';
import { finalizer } from '../../shared/api/names.ts';
import type { Stored } from '../../shared/api/objects.ts';
import { dataVolumes } from '../../shared/kube/resource.ts';
import type { PatchEffect } from '../effects.ts';
import { targetRef } from '../observe.ts';

/** Pieces that steps are made of. */

export function patchVolume(volume: Stored<DataVolume>, patch: object, subresource?: 'status'): PatchEffect {
  const { uid, resourceVersion } = volume.metadata;
  const at = subresource === undefined ? {} : { subresource };
  return { kind: 'patch', resource: dataVolumes, ref: targetRef(volume), uid, resourceVersion, patch, ...at };
}

export function hasFinalizer({ metadata }: DataVolume): boolean {
  return metadata.finalizers?.includes(finalizer) === true;
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
