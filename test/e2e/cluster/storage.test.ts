import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { cameSince, until } from '../../support/cluster/index.ts';
import { leaksOf } from '../../support/cluster/leaks.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { startOwner } from '../../support/cluster/owner.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';

const cluster = sharedCluster();
const begin = Date.now();
afterAll(() => cluster.close());

const mebibyte = 1024 ** 2;

const claim = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '8Mi' } },
    storageClassName: 'reflink',
    ...spec,
  },
});

interface SnapshotStatus {
  readonly readyToUse?: boolean;
  readonly restoreSize?: string;
}

async function create(namespace: string, plural: string, object: object, root = '/api/v1'): Promise<void> {
  await cluster.api.post(`${root}/namespaces/${namespace}/${plural}`, object);
}

/** Path of the volume's file, once the claim is bound. */
const bound = (namespace: string, name: string): Promise<string> =>
  until(`claim ${namespace}/${name} to be bound`, () => cluster.claimPath(namespace, name));

test('a claim is bound to a volume whose file the test can write, and its clone has the same bytes', async () => {
  const namespace = await createNamespace(cluster, 'clone');
  await create(namespace, 'persistentvolumeclaims', claim('source', {}));
  const source = await bound(namespace, 'source');
  expect(statSync(source).size).toBe(8 * mebibyte);
  writeFileSync(source, Buffer.alloc(8 * mebibyte, 'clonegate '));
  const dataSource = { kind: 'PersistentVolumeClaim', name: 'source' };
  await create(namespace, 'persistentvolumeclaims', claim('copy', { dataSource }));
  const copy = await bound(namespace, 'copy');
  expect(copy).not.toBe(source);
  expect(readFileSync(copy).equals(readFileSync(source))).toBe(true);
});

test('a claim that waits for its first consumer is bound when a pod is scheduled', async () => {
  const namespace = await createNamespace(cluster, 'wffc');
  await create(namespace, 'persistentvolumeclaims', claim('later', { storageClassName: 'reflink-wffc' }));
  await until('the API to say that the claim waits', async () => {
    const events = await cluster.kubectl(['get', 'events', '-n', namespace, '-o', 'jsonpath={.items[*].reason}']);
    return events.stdout.includes('WaitForFirstConsumer');
  });
  await create(namespace, 'pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'consumer' },
    spec: {
      containers: [{ name: 'main', image: 'none.invalid/none' }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'later' } }],
    },
  });
  expect(statSync(await bound(namespace, 'later')).size).toBe(8 * mebibyte);
});

test('a snapshot becomes ready', async () => {
  const namespace = await createNamespace(cluster, 'snapshot');
  await create(namespace, 'persistentvolumeclaims', claim('source', {}));
  await bound(namespace, 'source');
  const group = '/apis/snapshot.storage.k8s.io/v1';
  const snapshot = {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshot',
    metadata: { name: 'moment' },
    spec: { source: { persistentVolumeClaimName: 'source' } },
  };
  await create(namespace, 'volumesnapshots', snapshot, group);
  const path = `${group}/namespaces/${namespace}/volumesnapshots/moment`;
  const size = await until('the snapshot to be ready', async () => {
    const { status } = await cluster.api.get<{ readonly status?: SnapshotStatus }>(path);
    return status?.readyToUse === true && status.restoreSize;
  });
  expect(size).toBe('8Mi');
});

test('a claim that asks for more gets a larger volume', async () => {
  const namespace = await createNamespace(cluster, 'grow');
  await create(namespace, 'persistentvolumeclaims', claim('small', {}));
  const file = await bound(namespace, 'small');
  const larger = JSON.stringify({ spec: { resources: { requests: { storage: '16Mi' } } } });
  expect((await cluster.kubectl(['patch', 'pvc', 'small', '-n', namespace, '-p', larger])).stderr).toBe('');
  await until('the file to grow', () => statSync(file).size === 16 * mebibyte);
});

test('a fault that is ordered from the driver strikes, and the provisioner tries again', async () => {
  const namespace = await createNamespace(cluster, 'fault');
  const faults = cluster.faults('reflink');
  const once = await faults.set('CreateVolume', { mode: 'once', code: 'INTERNAL', message: 'ordered by the test' });
  await create(namespace, 'persistentvolumeclaims', claim('unlucky', {}));
  await faults.struck(once);
  await bound(namespace, 'unlucky');
  expect(await faults.strikes(once)).toBe(1);
  await faults.dispose();
});

test('every component speaks as itself and is refused nothing', async () => {
  const events = (await cluster.auditEvents()).filter(cameSince(begin));
  const components = events.filter(({ user }) => /^system:(kube-|serviceaccount:kube-system:)/.test(user.username));
  const names = new Set(components.map(({ user }) => user.username));
  for (const name of ['csi-provisioner', 'csi-snapshotter', 'csi-resizer', 'snapshot-controller']) {
    expect(names).toContain(`system:serviceaccount:kube-system:${name}`);
  }
  expect(components.filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([]);
});

test('a cluster with storage whose owner is killed leaves no mount and no loop device', async () => {
  const { child, id } = await startOwner('storage');
  expect(leaksOf(id).some((line) => line.includes('csi-provisioner'))).toBe(true);
  child.kill('SIGKILL');
  await until(`${id} to go`, () => leaksOf(id).length === 0);
});
