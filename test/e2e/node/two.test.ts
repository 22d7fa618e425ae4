import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClaim } from '../../support/claims.ts';
import { attach, type ClusterAccess, until } from '../../support/cluster/index.ts';
import { leaksOf } from '../../support/cluster/leaks.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { traces } from '../../support/cluster/node/traces.ts';
import { type Owner, startOwner } from '../../support/cluster/owner.ts';
import { createPod, podReady, runPod } from '../../support/pods.ts';

/** A cluster of its own with two nodes, in a process of its own. The shared one, which runs meanwhile, must not be in its way. */
let before: readonly string[];
let owner: Owner;
let cluster: ClusterAccess;

beforeAll(async () => {
  before = traces();
  owner = await startOwner('node', 2);
  cluster = attach(owner.address);
});
afterAll(async () => {
  owner?.child.kill('SIGKILL');
  await cluster?.close();
});

const on = (node: string) => ({ spec: { nodeSelector: { 'kubernetes.io/hostname': node } } });

interface Scheduled {
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly podIP?: string; readonly conditions?: readonly { readonly message?: string }[] };
}

const pod = (namespace: string, name: string): Promise<Scheduled> =>
  cluster.api.get<Scheduled>(`/api/v1/namespaces/${namespace}/pods/${name}`);

test('a volume of a driver that both nodes have goes from one to the other', async () => {
  const namespace = await createNamespace(cluster, 'moves');
  await createClaim(cluster, namespace, 'data');
  const claims = { data: '/data' };
  const write = { name: 'writer', script: 'echo hello > /data/file', claims, ...on('node-1') };
  expect(await runPod(cluster, namespace, write)).toMatchObject({ phase: 'Succeeded' });
  const read = { name: 'reader', script: 'cat /data/file', claims, ...on('node-2') };
  expect(await runPod(cluster, namespace, read)).toMatchObject({ phase: 'Succeeded', logs: 'hello\n' });
});

test('a volume that one node can reach takes its pod there, and no node takes a pod with two such volumes', async () => {
  const namespace = await createNamespace(cluster, 'reach');
  await createClaim(cluster, namespace, 'near', { storageClassName: 'near' });
  await createClaim(cluster, namespace, 'far', { storageClassName: 'far-wffc' });
  const script = 'echo hello > /far/file';
  expect(await runPod(cluster, namespace, { name: 'one', script, claims: { far: '/far' } })).toMatchObject({
    phase: 'Succeeded',
  });
  expect((await pod(namespace, 'one')).spec.nodeName).toBe('node-2');
  await createPod(cluster, namespace, { name: 'both', script, claims: { near: '/near', far: '/far' } });
  const verdict = await until('the scheduler to give up', async () => {
    const { status } = await pod(namespace, 'both');
    return status.conditions?.find(({ message }) => message?.includes('0/2 nodes are available'))?.message;
  });
  expect(verdict).toContain("didn't match PersistentVolume's node affinity");
});

test('pods of two nodes talk to each other, and a node that is drained lets its pods go', async () => {
  const namespace = await createNamespace(cluster, 'drain');
  const script = 'while :; do echo hello | nc -l -p 8080; done';
  await createPod(cluster, namespace, { name: 'server', script, ...on('node-2') });
  await podReady(cluster, namespace, 'server');
  const { podIP = '' } = (await pod(namespace, 'server')).status;
  const ask = `until nc ${podIP} 8080 < /dev/null | grep hello; do :; done`;
  expect(await runPod(cluster, namespace, { name: 'client', script: ask, ...on('node-1') })).toMatchObject({
    logs: 'hello\n',
  });
  const drained = await cluster.kubectl(['drain', 'node-2', '--force', `--pod-selector=app=server`]);
  expect(drained).toMatchObject({ code: 0, stdout: expect.stringContaining('node/node-2 drained') });
  await expect(pod(namespace, 'server')).rejects.toMatchObject({ code: 404 });
  await cluster.kubectl(['uncordon', 'node-2']);
});

test('when the owner is killed nothing is left, though a pod runs and writes', async () => {
  const namespace = await createNamespace(cluster, 'end');
  const { id } = owner;
  await createClaim(cluster, namespace, 'files');
  await createClaim(cluster, namespace, 'disk', { volumeMode: 'Block' });
  const script = 'while :; do date > /files/now; date > /dev/disk; done';
  await createPod(cluster, namespace, { name: 'writer', script, claims: { files: '/files', disk: '/dev/disk' } });
  await podReady(cluster, namespace, 'writer');
  for (const kind of [/^process .*: \/bin\/sh -euc while/, /^loop device .*pool\/reflink\/devices/, /^cgroup /])
    expect(leaksOf(id)).toContainEqual(expect.stringMatching(kind));
  owner.child.kill('SIGKILL');
  await until(`${id} to go`, () => leaksOf(id).length === 0);
  // Other tests, which run meanwhile, have loop devices that come and go.
  await until('nothing else to be left, either', () => {
    const left = traces().filter((trace) => !before.includes(trace));
    if (left.length > 0) throw new Error(left.join(', '));
    return true;
  });
});
