import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';

/** A cluster of its own: the others share one, and this file breaks it. */
let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'chaos' });
});
afterAll(() => cluster.stop());

test('an API server that was killed comes back on the same port with all data', async () => {
  const namespace = await createNamespace(cluster, 'survivor');
  const before = cluster.apiServer.pid;
  await cluster.apiServer.kill();
  expect(cluster.apiServer.pid).toBeUndefined();
  // The first call may still find a connection that was just cut.
  await expect
    .poll(async () => await cluster.api.get('/readyz').catch(String), { timeout: 60_000 })
    .toContain('ECONNREFUSED');
  await cluster.apiServer.start();
  expect(cluster.apiServer.pid).not.toBe(before);
  expect(await cluster.api.get(`/api/v1/namespaces/${namespace}`)).toMatchObject({ metadata: { name: namespace } });
});

test('so does etcd, and the API server finds it again', async () => {
  const namespace = await createNamespace(cluster, 'etcd');
  const etcd = cluster.process('etcd');
  await etcd.kill();
  await etcd.start();
  // It listens before it serves, and the API server tries again in its own time.
  const found = await until('the namespace', async () => await cluster.api.get(`/api/v1/namespaces/${namespace}`));
  expect(found).toMatchObject({ metadata: { name: namespace } });
});

test('a paused API server keeps its connections and answers when it goes on', async () => {
  await cluster.api.get('/readyz');
  cluster.apiServer.pause();
  // The kernel stops the threads one by one after the signal was sent.
  await expect.poll(() => stateOf(cluster.apiServer.pid), { timeout: 60_000 }).toBe('T');
  const answer = cluster.api.get('/readyz');
  cluster.apiServer.resume();
  expect(await answer).toBe('ok');
});

test('the audit log goes on after a restart', async () => {
  const events = await cluster.auditEvents();
  await cluster.apiServer.kill();
  await cluster.apiServer.start();
  expect((await cluster.auditEvents()).slice(0, events.length)).toEqual(events);
});

test('a program that ends before it is ready is an error with the end of its log', async () => {
  const run = cluster.run('hopeless', 'sh', ['-c', 'echo no such flag; exit 3'], { ready: () => false });
  await expect(run).rejects.toThrow(/hopeless ended by itself \(exit code 3\).*no such flag/s);
});

test('a program that is not there is an error with its path', async () => {
  await expect(cluster.run('ghost', '/no/such/program', [])).rejects.toThrow(
    'ghost could not be started: /no/such/program',
  );
});

test('asking for a process that there is not names those that there are', () => {
  expect(() => cluster.process('kubelet')).toThrow('no process kubelet; there are etcd, kube-apiserver');
});

/** Third field of /proc/PID/stat: R, S, T and so on. */
function stateOf(pid: number | undefined): string | undefined {
  return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
}
