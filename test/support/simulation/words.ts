import type { ObjectRef } from '../../../shared/api/objects.ts';

/** Writes in a few words each, so that a test can tell what a clone takes. */

/** Without the uid in a child's name. */
export function placeOf({ namespace = '', name = '' }: Partial<ObjectRef>): string {
  return `${namespace}/${name.replace(/-?uid-\d+$/, '')}`;
}

/** What matters of a patch: the phase of a status, or the fields that it sets. */
export function summaryOf(patch: unknown): string {
  const { status, spec, metadata } = patch as {
    status?: { phase?: string };
    spec?: {
      claimRef?: ObjectRef;
      persistentVolumeReclaimPolicy?: string;
      resources?: { requests?: { storage?: string } };
    };
    metadata?: { finalizers?: readonly string[] };
  };
  if (status !== undefined) return status.phase ?? '';
  const words = [
    ...(metadata?.finalizers === undefined ? [] : [metadata.finalizers.length === 0 ? 'release' : 'hold']),
    ...(spec?.claimRef === undefined ? [] : [`for ${placeOf(spec.claimRef)}`]),
    ...(spec?.persistentVolumeReclaimPolicy === undefined ? [] : [spec.persistentVolumeReclaimPolicy]),
    ...(spec?.resources?.requests?.storage === undefined ? [] : [spec.resources.requests.storage]),
  ];
  return words.join(', ');
}
