import type { DataVolume } from '../../../shared/api/datavolume.ts';
import type { KubeObject, PersistentVolumeClaim, StorageClass, StorageProfile } from '../../../shared/api/objects.ts';
import type { Lookup } from '../../../shared/decision/target.ts';

/** Small builders of API objects; each gives something ordinary and takes what the test is about. */

export function lookup<T extends KubeObject>(...objects: readonly T[]): Lookup<T> {
  return { get: (name) => objects.find(({ metadata }) => metadata.name === name), list: () => objects };
}

export function storageClass(
  name: string,
  changes: Partial<StorageClass> & { annotations?: Record<string, string>; created?: string } = {},
): StorageClass {
  const { annotations = {}, created = '2026-01-01T00:00:00Z', ...rest } = changes;
  return { metadata: { name, annotations, creationTimestamp: created }, provisioner: 'csi.example.com', ...rest };
}

export function profile(
  name: string,
  spec: StorageProfile['spec'] = {},
  status: StorageProfile['status'] = {},
): StorageProfile {
  return { metadata: { name }, spec, status };
}

export function dataVolume(spec: Partial<DataVolume['spec']> = {}): DataVolume {
  const metadata = { name: 'disk', namespace: 'tenant-a' };
  const source = { pvc: { namespace: 'golden', name: 'fedora' } };
  return { metadata, spec: { source, storage: { resources: { requests: { storage: '10Gi' } } }, ...spec } };
}

export function claim(
  changes: {
    spec?: PersistentVolumeClaim['spec'];
    status?: PersistentVolumeClaim['status'];
    annotations?: Record<string, string>;
  } = {},
): PersistentVolumeClaim {
  return {
    metadata: { name: 'fedora', namespace: 'golden', uid: 'source-uid', annotations: changes.annotations ?? {} },
    spec: {
      storageClassName: 'fast',
      volumeMode: 'Block',
      resources: { requests: { storage: '10Gi' } },
      ...changes.spec,
    },
    status: { phase: 'Bound', capacity: { storage: '10Gi' }, ...changes.status },
  };
}
