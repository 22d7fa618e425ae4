import type { createStores } from '../../../controller/stores.ts';
import { claims, dataVolumes, persistentVolumes, pods, volumeSnapshots } from '../../../shared/kube/resource.ts';
import type { SimulatedStorage } from './storage.ts';

/** What the watches do, when a test lets them: each brings the store of its kind up to date. */
export function watchesOf(stores: ReturnType<typeof createStores>, { api }: SimulatedStorage) {
  return {
    volumes: (): void => stores.volumes.replace(api.all(dataVolumes)),
    claims: (): void => stores.claims.replace(api.all(claims)),
    persistentVolumes: (): void => stores.persistentVolumes.replace(api.all(persistentVolumes)),
    snapshots: (): void => stores.snapshots.replace(api.all(volumeSnapshots)),
    pods: (): void => stores.pods.replace(api.all(pods)),
  };
}
