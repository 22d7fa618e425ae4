import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createClient } from '../../../shared/kube/client.ts';
import { type Connection, connect, openConnection } from '../../../shared/kube/connection.ts';
import { type Clock, systemClock } from '../../../shared/process/clock.ts';
import { configMaps } from '../../support/build/configmap.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { servingCertificate } from '../../support/cluster/pki.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { startRelay } from './relay.ts';

const cluster = sharedCluster();
let namespace: string;
beforeAll(async () => {
  namespace = await createNamespace(cluster, 'connection');
});
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});
afterAll(() => cluster.close());

const clientOver = (connection: Connection) => {
  cleanups.push(() => connection.close());
  return createClient(connection, { clock: systemClock, random: Math.random });
};

/** A service account that may do nothing but ask for what it may not have: 403 says who is asking, 401 that nobody knows. */
async function serviceAccount(name: string): Promise<void> {
  const made = await cluster.kubectl(['-n', namespace, 'create', 'serviceaccount', name]);
  expect(made).toMatchObject({ code: 0 });
}

test('500 calls need no more connections than the pool has, and watches add their own', async () => {
  const relay = await startRelay(cluster.kubeconfig('admin'));
  cleanups.push(async () => await relay[Symbol.asyncDispose]());
  const client = clientOver(openConnection(async () => await relay.access()));
  await client.create(configMaps, { metadata: { namespace, name: 'read-often' } });
  const get = async () => await client.get(configMaps, { namespace, name: 'read-often' });
  for (let round = 0; round < 5; round += 1) await Promise.all(Array.from({ length: 100 }, get));
  expect(relay.accepted).toBeLessThanOrEqual(12);
  const calls = relay.accepted;
  const { metadata } = await get();
  const watches = [1, 2].map(() =>
    client.watch(configMaps, { resourceVersion: metadata.resourceVersion, timeoutSeconds: 1 }),
  );
  await Promise.all(
    watches.map(async (watch) => {
      for await (const event of watch) expect(event.type).not.toBe('ERROR');
    }),
  );
  expect(relay.accepted).toBe(calls + 2);
});

test('a token that was replaced in its file is used as soon as the old one is refused', async () => {
  await serviceAccount('rotated');
  const kubeconfig = await cluster.serviceAccountKubeconfig(namespace, 'rotated');
  const client = clientOver(await connect({ kubeconfig }));
  const ask = async () => await client.get(configMaps, { namespace, name: 'x' });
  await expect(ask()).rejects.toMatchObject({ code: 403 });
  // The account is another one now, though of the same name: its old tokens are worth nothing.
  await cluster.kubectl(['-n', namespace, 'delete', 'serviceaccount', 'rotated']);
  await expect
    .poll(async () => await ask().catch((error: { code: number }) => error.code), { timeout: 240_000 })
    .toBe(401);
  await serviceAccount('rotated');
  await cluster.serviceAccountKubeconfig(namespace, 'rotated');
  await expect
    .poll(async () => await ask().catch((error: { code: number }) => error.code), { timeout: 240_000 })
    .toBe(403);
});

test('in a pod, the mounted token and authority are used, and a new authority is picked up', async () => {
  await serviceAccount('mounted');
  const mount = await cluster.serviceAccountMount(namespace, 'mounted');
  const root = mkdtempSync(join(tmpdir(), 'clonegate-pod-'));
  cleanups.push(() => rmSync(root, { recursive: true }));
  const inPod = (file: string): string => join(root, 'var/run/secrets/kubernetes.io/serviceaccount', file);
  mkdirSync(dirname(inPod('token')), { recursive: true });
  for (const file of ['token', 'namespace']) copyFileSync(join(mount.folder, file), inPod(file));
  const stranger = await servingCertificate(Date.now());
  writeFileSync(inPod('ca.crt'), stranger.certificate);
  for (const [name, value] of Object.entries(mount.env)) vi.stubEnv(name, value);

  let later = 0;
  const clock: Clock = { ...systemClock, elapsed: () => systemClock.elapsed() + later };
  const client = clientOver(await connect({ root, clock }));
  const ask = async (deadline = 60_000) => await client.get(configMaps, { namespace, name: 'x' }, { deadline });
  // It is tried again and again until then.
  await expect(ask(5_000)).rejects.toMatchObject({ code: 0, message: expect.stringMatching(/certificate|signature/) });
  copyFileSync(join(mount.folder, 'ca.crt'), inPod('ca.crt'));
  later = 30_000;
  await expect(ask()).rejects.toMatchObject({ code: 403, message: expect.stringContaining(`${namespace}:mounted`) });
});
