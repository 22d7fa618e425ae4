import type { PersistentVolumeClaim, TypedLocalReference } from '../shared/api/objects.ts';
import { copiedOf } from './copy/record.ts';

/** What a claim is made from: an object that its storage reads, or nothing, and then somebody else fills it. */
export type Origin = TypedLocalReference | 'nothing';

/** Whether a claim was made from this. */
export function isFrom({ spec }: PersistentVolumeClaim, origin: Origin): boolean {
  const from = spec?.dataSourceRef ?? spec?.dataSource;
  return origin === 'nothing' ? from === undefined : from?.kind === origin.kind && from.name === origin.name;
}

/**
 * Whether a temporary claim has the source's bytes. What the storage made from something has them as soon as there is a volume; what was
 * made from nothing, only when the copy into it is known to be whole.
 */
export function holdsBytes(claim: PersistentVolumeClaim): boolean {
  return claim.spec?.volumeName !== undefined && (!isFrom(claim, 'nothing') || copiedOf(claim) !== undefined);
}
