import { afterAll, expect, test } from 'vitest';
import { awaitsNode, capacityOf, createClaim, growClaim } from '../../support/claims.ts';
import { until } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { createPod, podReady, restricted, runPod } from '../../support/pods.ts';

const cluster = sharedCluster();
afterAll(() => cluster.close());

test('what one pod writes to a volume, another one reads in its clone', async () => {
  const namespace = await createNamespace(cluster, 'clone');
  await createClaim(cluster, namespace, 'source', { storageClassName: 'reflink-wffc' });
  const written = await runPod(cluster, namespace, {
    name: 'writer',
    script: 'dd if=/dev/urandom of=/data/file bs=1M count=8 conv=fsync 2>/dev/null; sha256sum < /data/file',
    claims: { source: '/data' },
  });
  expect(written).toMatchObject({ phase: 'Succeeded', logs: expect.stringMatching(/^[0-9a-f]{64} /) });
  await createClaim(cluster, namespace, 'copy', { dataSource: { kind: 'PersistentVolumeClaim', name: 'source' } });
  const read = await runPod(cluster, namespace, {
    name: 'reader',
    script: 'sha256sum < /data/file',
    claims: { copy: '/data' },
  });
  expect(read.logs).toBe(written.logs);
});

test('a restricted pod of user 107 may use a file system and a device', async () => {
  const namespace = await createNamespace(cluster, 'restricted');
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await cluster.api.merge(`/api/v1/namespaces/${namespace}`, { metadata: { labels } });
  await createClaim(cluster, namespace, 'files');
  await createClaim(cluster, namespace, 'disk', { volumeMode: 'Block' });
  const script = `
    id -u
    stat -c %g /files
    echo hello > /files/file
    stat -c %u /dev/disk
    echo hello | dd of=/dev/disk bs=512 conv=notrunc,sync 2>/dev/null
    head -c 5 /dev/disk
  `;
  const { phase, logs } = await runPod(cluster, namespace, {
    name: 'user',
    script,
    claims: { files: '/files', disk: '/dev/disk' },
    ...restricted,
  });
  expect({ phase, words: logs.split('\n') }).toEqual({ phase: 'Succeeded', words: ['107', '107', '107', 'hello'] });
});

test('a pod that takes more memory than it may is killed, and the API says why', async () => {
  const namespace = await createNamespace(cluster, 'memory');
  let pods = 0;
  // containerd hears of the end of a process and of its cause by two ways, and tells the end without the cause where that comes late.
  const end = await until('an end with its cause', async () => {
    pods += 1;
    const greedy = await runPod(cluster, namespace, {
      name: `greedy-${pods}`,
      script: 'tail /dev/zero',
      memory: '32Mi',
    });
    expect(greedy).toMatchObject({ phase: 'Failed', exitCode: 137 });
    return greedy.reason === 'OOMKilled' && greedy;
  });
  expect(end.reason).toBe('OOMKilled');
});

test('a command is run in a pod', async () => {
  const namespace = await createNamespace(cluster, 'exec');
  await createPod(cluster, namespace, { name: 'host', script: 'echo here > /tmp/file; sleep 1000' });
  await podReady(cluster, namespace, 'host');
  // A pod is ready when its shell runs, whether or not that has come to the file.
  const said = await until('the file to be there', async () => {
    const { code, stdout } = await cluster.kubectl(['exec', '-n', namespace, 'host', '--', 'cat', '/tmp/file']);
    return code === 0 && stdout !== '' && stdout;
  });
  expect(said).toBe('here\n');
});

test('a volume that nobody uses grows when the next pod does', async () => {
  const namespace = await createNamespace(cluster, 'grow');
  await createClaim(cluster, namespace, 'data');
  await runPod(cluster, namespace, { name: 'first', script: 'echo hello > /data/file', claims: { data: '/data' } });
  await cluster.kubectl(['delete', 'pod', 'first', '-n', namespace, '--wait']);
  await growClaim(cluster, namespace, 'data', '64Mi');
  // A pod that comes before the storage has grown finds the old size, and the new one a little later.
  await until('the storage to have grown', () => awaitsNode(cluster, namespace, 'data'));
  const { logs } = await runPod(cluster, namespace, {
    name: 'second',
    script: "cat /data/file; df -m /data | awk 'NR == 2 { print ($2 > 48) }'",
    claims: { data: '/data' },
  });
  expect(logs).toBe('hello\n1\n');
  await until('the API to tell the new size', async () => (await capacityOf(cluster, namespace, 'data')) === '64Mi');
});

test('a volume that is in use grows under its user', async () => {
  const namespace = await createNamespace(cluster, 'online');
  await cluster.api.post('/apis/storage.k8s.io/v1/storageclasses', {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    // ext4 would take a capability that root often lacks.
    metadata: { name: namespace },
    provisioner: 'reflink.csi.clonegate.test',
    parameters: { 'csi.storage.k8s.io/fstype': 'xfs' },
    allowVolumeExpansion: true,
  });
  const requests = (storage: string) => ({ storageClassName: namespace, resources: { requests: { storage } } });
  await createClaim(cluster, namespace, 'data', requests('320Mi'));
  await createPod(cluster, namespace, { name: 'user', script: 'sleep 1000', claims: { data: '/data' } });
  await podReady(cluster, namespace, 'user');
  await growClaim(cluster, namespace, 'data', '400Mi');
  await until('the API to tell the new size', async () => (await capacityOf(cluster, namespace, 'data')) === '400Mi');
  const { stdout } = await cluster.kubectl(['exec', '-n', namespace, 'user', '--', 'df', '-m', '/data']);
  expect(Number(stdout.split('\n')[1]?.split(/\s+/)[1])).toBeGreaterThan(330);
});
