import type { ClusterAccess } from './cluster/index.ts';

const pathOf = (namespace: string): string => `/api/v1/namespaces/${namespace}/persistentvolumeclaims`;

/** A claim of 32 MiB on StorageClass `reflink`, unless `spec` says otherwise. */
export async function createClaim(
  cluster: ClusterAccess,
  namespace: string,
  name: string,
  spec: object = {},
): Promise<void> {
  await cluster.api.post(pathOf(namespace), {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '32Mi' } },
      storageClassName: 'reflink',
      ...spec,
    },
  });
}

/** Asks for more. @param storage such as `64Mi`. */
export async function growClaim(
  cluster: ClusterAccess,
  namespace: string,
  name: string,
  storage: string,
): Promise<void> {
  await cluster.api.merge(`${pathOf(namespace)}/${name}`, { spec: { resources: { requests: { storage } } } });
}

interface Claim {
  readonly status: {
    readonly capacity?: { readonly storage: string };
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

async function statusOf(cluster: ClusterAccess, namespace: string, name: string): Promise<Claim['status']> {
  return (await cluster.api.get<Claim>(`${pathOf(namespace)}/${name}`)).status;
}

/** What the claim says that it holds now; `undefined` until it is bound. */
export async function capacityOf(cluster: ClusterAccess, namespace: string, name: string): Promise<string | undefined> {
  return (await statusOf(cluster, namespace, name)).capacity?.storage;
}

/** Whether the storage has grown and the file system is left to the node that mounts it next. */
export async function awaitsNode(cluster: ClusterAccess, namespace: string, name: string): Promise<boolean> {
  const { conditions = [] } = await statusOf(cluster, namespace, name);
  return conditions.some(({ type, status }) => type === 'FileSystemResizePending' && status === 'True');
}
