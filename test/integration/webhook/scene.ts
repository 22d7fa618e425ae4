import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { type Api, createApi } from '../../support/cluster/api.ts';
import { type Cluster, type ClusterAccess, type Finished, type User, until } from '../../support/cluster/index.ts';
import { applyAll, type Manifest } from '../../support/cluster/manifest.ts';

/** The cluster that the tests of the webhook play in: two tenants, of whom one may clone from `golden`, and a source there. */

const manifests: readonly Manifest[] = [
  ...['golden', 'tenant-a', 'tenant-b'].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'datavolume-editor' },
    rules: [{ apiGroups: ['cdi.kubevirt.io'], resources: ['datavolumes'], verbs: ['*'] }],
  },
  ...(['tenant-a', 'tenant-b'] as const).map((user) => binding(user, 'datavolume-editor', user)),
  binding('tenant-a', 'datavolume-editor', 'system:serviceaccount:clonegate-system:clonegate-controller'),
  binding('golden', 'clonegate-clone-sourcer', 'tenant-a'),
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'fast' },
    provisioner: 'csi.example.com',
    allowVolumeExpansion: true,
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'csi.example.com' },
    spec: { attachRequired: false },
  },
  {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'StorageProfile',
    metadata: { name: 'fast' },
    spec: { cloneStrategy: 'csi-clone' },
  },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace: 'golden', name: 'fedora' },
    spec: { storageClassName: 'fast', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
  {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataSource',
    metadata: { namespace: 'golden', name: 'latest' },
    spec: { source: { pvc: { namespace: 'golden', name: 'fedora' } } },
  },
];

function binding(namespace: string, role: string, user: string): Manifest {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { namespace, name: `${role}.${user.replaceAll(':', '.')}` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  };
}

/** Needs a webhook that is called. @returns when it and the API server know all of it. */
export async function setScene(cluster: ClusterAccess): Promise<void> {
  const { api, server, ca } = cluster;
  // One after the other: the right to clone is the last of those that the authorizer hears of.
  for (const manifest of manifests) await applyAll(api, [manifest]);
  // Nobody provisions here; the claim is only said to be bound.
  const status = { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] };
  await api.merge('/api/v1/namespaces/golden/persistentvolumeclaims/fedora/status', { status });
  const tenant = createApi(server, ca, cluster.token('tenant-a'));
  try {
    await until('the scene to be known', async () => isKnown(tenant));
  } finally {
    await tenant.close();
  }
}

/** Whether its user may clone, by what the storage prefers; tried without a trace. */
async function isKnown(api: Api): Promise<boolean> {
  const path = '/apis/cdi.kubevirt.io/v1beta1/namespaces/tenant-a/datavolumes?dryRun=All';
  const { metadata } = await api.post<DataVolume>(path, clone({ name: 'known' }));
  return metadata.annotations?.[annotations.cloneType] === 'csi-clone';
}

export async function must(finished: Promise<Finished>): Promise<string> {
  const { code, stdout, stderr } = await finished;
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

export function clone(metadata: DataVolume['metadata'], spec: Partial<DataVolume['spec']> = {}): DataVolume {
  const { source, ...rest } = {
    source: { pvc: { namespace: 'golden', name: 'fedora' } },
    storage: { storageClassName: 'fast', resources: { requests: { storage: '1Gi' } } },
    ...spec,
  };
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata,
    spec: rest.sourceRef === undefined ? { source, ...rest } : rest,
  };
}

/** `kubectl create`. */
export async function create(
  cluster: Cluster,
  user: User,
  volume: DataVolume,
  ...args: readonly string[]
): Promise<Finished> {
  return await cluster.kubectl(['create', '-f', '-', ...args], { user, input: JSON.stringify(volume) });
}

/** The object that `kubectl create -o json` printed. @throws Error with what kubectl said when it was refused. */
export async function created(
  cluster: Cluster,
  user: User,
  volume: DataVolume,
  ...args: readonly string[]
): Promise<DataVolume> {
  return JSON.parse(await must(create(cluster, user, volume, '-o', 'json', ...args))) as DataVolume;
}
