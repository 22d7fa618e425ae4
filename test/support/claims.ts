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

/** What the claim says that it holds now; `undefined` until it is bound. */
export async function capacityOf(cluster: ClusterAccess, namespace: string, name: string): Promise<string | undefined> {
  const { status } = await cluster.api.get<{ readonly status: { readonly capacity?: { readonly storage: string } } }>(
    `${pathOf(namespace)}/${name}`,
  );
  return status.capacity?.storage;
}
