import type { DataVolume } from '../../shared/api/datavolume.ts';
import { annotations } from '../../shared/api/names.ts';
import { keyOf, type Stored, type VolumeSnapshotContent } from '../../shared/api/objects.ts';
import type { Client } from '../../shared/kube/client.ts';
import { isForbidden } from '../../shared/kube/errors.ts';
import { getIfExists } from '../../shared/kube/get.ts';
import { volumeSnapshotContents } from '../../shared/kube/resource.ts';
import type { Verification } from '../authorize.ts';
import { childrenOf } from '../belongings.ts';
import type { Stores } from '../stores.ts';

/**
 * What the snapshot that is to be copied is bound to: it alone tells for certain of which driver and volume mode the snapshot is. Read
 * live, and only until the snapshot is restored: a watch of all of them would cost more than these few requests.
 * @throws ApiError when that could not be found out.
 */
export async function snapshotContent(
  { client, stores }: { readonly client: Pick<Client, 'get'>; readonly stores: Stores },
  volume: Stored<DataVolume>,
  stamp: Verification,
  signal: AbortSignal,
): Promise<VolumeSnapshotContent | undefined> {
  if (!stamp.valid || stamp.source.kind !== 'VolumeSnapshot') return undefined;
  const { metadata } = volume;
  if (metadata.annotations?.[annotations.cloneType] !== 'copy') return undefined;
  const { restored, temporary } = childrenOf(stores, metadata.uid, {
    own: metadata.namespace ?? '',
    source: stamp.source.namespace,
  });
  const snapshot = stores.snapshots.get(keyOf(stamp.source));
  const name = snapshot?.status?.boundVolumeSnapshotContentName;
  if (restored !== undefined || temporary !== undefined || name === undefined) return undefined;
  const content = await getIfExists(client, volumeSnapshotContents, { name }, { signal }).catch(unlessForbidden);
  // Each names the other; a snapshot that only claims to be bound to somebody else's content is of no driver.
  return content?.spec?.volumeSnapshotRef?.uid === snapshot?.metadata.uid ? content : undefined;
}

/** A controller that was given Roles in some namespaces alone may not read what belongs to none; the clone then says what it waits for. */
function unlessForbidden(error: unknown): undefined {
  if (!isForbidden(error)) throw error;
}
