import type { createStores } from '../../../controller/stores.ts';
import type { VolumeMode } from '../../../shared/api/objects.ts';
import { claims, persistentVolumes } from '../../../shared/kube/resource.ts';
import type { SimulatedStorage } from './storage.ts';

/** What is there before any clone: a driver with its classes, and a source. */

export const bytes = 'the bytes of the source';
/** Of the source. */
export const sourceVolume = 'pv-source';

export interface Furniture {
  /** Of the source, which is called `source`. */
  readonly namespace: string;
  readonly mode: VolumeMode;
}

export async function furnish(
  storage: SimulatedStorage,
  stores: ReturnType<typeof createStores>,
  { namespace, mode }: Furniture,
): Promise<void> {
  const client = storage.api.client();
  const meta = (name: string) => ({ name, uid: `${name}-uid`, resourceVersion: '1' });
  const provisioner = 'csi.example.com';
  stores.storageClasses.upsert({ metadata: meta('fast'), provisioner, allowVolumeExpansion: true });
  const late = { provisioner, allowVolumeExpansion: true, volumeBindingMode: 'WaitForFirstConsumer' };
  stores.storageClasses.upsert({ metadata: meta('late'), ...late });
  stores.csiDrivers.upsert({ metadata: meta(provisioner) });
  stores.volumeSnapshotClasses.upsert({ metadata: meta('snaps'), driver: provisioner });
  const capacity = { storage: '1Gi' };
  const source = await client.create(claims, {
    metadata: { namespace, name: 'source' },
    spec: {
      storageClassName: 'fast',
      volumeMode: mode,
      volumeName: sourceVolume,
      resources: { requests: capacity },
    },
    status: { phase: 'Bound', capacity },
  });
  const claimRef = { namespace, name: 'source', uid: source.metadata.uid };
  await client.create(persistentVolumes, {
    metadata: { name: sourceVolume },
    spec: { claimRef, capacity, persistentVolumeReclaimPolicy: 'Delete' },
  });
  storage.contents.set(sourceVolume, bytes);
}
