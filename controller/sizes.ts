import type { PersistentVolumeClaim, VolumeSnapshot } from '../shared/api/objects.ts';
import { parseQuantity } from '../shared/api/quantity.ts';

/** Bytes of claims and snapshots, as the API server tells them. */

/** Bytes that a claim's volume has; undefined when it does not say. */
export function capacityOf(claim: PersistentVolumeClaim | undefined): bigint | undefined {
  const text = claim?.status?.capacity?.['storage'];
  return text === undefined ? undefined : parseQuantity(text);
}

/** Bytes that a snapshot's volume has; undefined when it does not say. Some drivers report 0 for that. */
export function restoreSizeOf(snapshot: VolumeSnapshot | undefined): bigint | undefined {
  const text = snapshot?.status?.restoreSize;
  const size = text === undefined ? 0n : parseQuantity(text);
  return size > 0n ? size : undefined;
}

/** Bytes that a claim asks for. */
export function requestOf(claim: PersistentVolumeClaim): bigint {
  return parseQuantity(claim.spec?.resources?.requests?.['storage'] ?? '0');
}
