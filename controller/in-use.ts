import type { DataVolume } from '../shared/api/datavolume.ts';
import { annotations, type Strategy } from '../shared/api/names.ts';
import type { PersistentVolumeClaim } from '../shared/api/objects.ts';
import type { Stores } from './stores.ts';

/**
 * Whether a source may be cloned while pods write to it. The clone is then as a power cut would have left the source, which is a matter
 * of both: its user has to want that, and the administrator of the source's storage has to know that a snapshot is of one moment there.
 */
export type InUse =
  | { readonly rule: 'wait' }
  | { readonly rule: 'clone' }
  /** It was asked for in vain. */
  | { readonly rule: 'wait'; readonly why: string };

export function inUseRule(
  { storageClasses }: Stores,
  { metadata }: DataVolume,
  source: PersistentVolumeClaim | undefined,
  strategy: Strategy | undefined,
): InUse {
  if (metadata.annotations?.[annotations.sourceInUse] !== 'crash-consistent') return { rule: 'wait' };
  if (strategy !== 'snapshot')
    return { rule: 'wait', why: `a crash-consistent clone takes the strategy snapshot, not ${strategy ?? 'none'}` };
  const name = source?.spec?.storageClassName ?? '';
  const allowed = storageClasses.get(name)?.metadata.annotations?.[annotations.allowCrashConsistent];
  if (allowed === 'true') return { rule: 'clone' };
  const missing = `annotation ${annotations.allowCrashConsistent}: "true"`;
  return { rule: 'wait', why: `a crash-consistent clone is asked for, but StorageClass ${name} has no ${missing}` };
}
