import type { Manifest } from '../../support/cluster/manifest.ts';

/** Objects of the cluster that clones are made from, to be applied. */

export function claimNamed(name: string, namespace = 'golden'): Manifest {
  const spec = {
    storageClassName: 'fast',
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '1Gi' } },
  };
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { namespace, name }, spec };
}

export function snapshotNamed(name: string, namespace = 'golden'): Manifest {
  return {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshot',
    metadata: { namespace, name },
    spec: { volumeSnapshotClassName: 'fast-snapshots' },
    status: { readyToUse: true, restoreSize: '1Gi' },
  };
}

export function dataSourceNamed(name: string, source: object, namespace = 'golden'): Manifest {
  return { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataSource', metadata: { namespace, name }, spec: { source } };
}

export const byDataSource = (name: string, namespace = 'golden') => ({
  sourceRef: { kind: 'DataSource', namespace, name },
});
