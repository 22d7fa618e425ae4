import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { until } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';

const cluster = sharedCluster();
afterAll(() => cluster.close());

test('tenants may do nothing until somebody grants it', async () => {
  const refused = await cluster.kubectl(['get', 'namespaces'], { user: 'tenant-b' });
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('User "tenant-b" cannot list resource "namespaces"');
});

test('a grant to one tenant is not one to the other', async () => {
  const namespace = await createNamespace(cluster, 'grant');
  await cluster.kubectl(['create', 'role', 'look', '--verb=list', '--resource=pods', '-n', namespace]);
  await cluster.kubectl(['create', 'rolebinding', 'a', '--role=look', '--user=tenant-a', '-n', namespace]);
  const can = (user: 'tenant-a' | 'tenant-b') =>
    cluster.kubectl(['auth', 'can-i', 'list', 'pods', '-n', namespace], { user });
  // The authorizer hears of it a moment after it is stored.
  await until('the grant to be heeded', async () => (await can('tenant-a')).stdout === 'yes\n');
  expect((await can('tenant-b')).stdout).toBe('no\n');
});

test('the admin may do everything', async () => {
  expect((await cluster.kubectl(['auth', 'can-i', '*', '*', '--all-namespaces'])).stdout).toBe('yes\n');
});

test('a service account speaks as itself', async () => {
  const namespace = await createNamespace(cluster, 'account');
  await cluster.kubectl(['create', 'serviceaccount', 'robot', '-n', namespace]);
  const kubeconfig = await cluster.serviceAccountKubeconfig(namespace, 'robot');
  const whoami = await cluster.kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'], {
    kubeconfig,
  });
  expect(whoami.stdout).toBe(`system:serviceaccount:${namespace}:robot`);
});

test('a service account that does not exist gets no token', async () => {
  await expect(cluster.serviceAccountKubeconfig('default', 'nobody')).rejects.toThrow('"nobody" not found');
});

test('a service account has the files and variables that a pod would find', async () => {
  const namespace = await createNamespace(cluster, 'mount');
  await cluster.kubectl(['create', 'serviceaccount', 'robot', '-n', namespace]);
  const { folder, env } = await cluster.serviceAccountMount(namespace, 'robot');
  expect(readFileSync(join(folder, 'namespace'), 'utf8')).toBe(namespace);
  expect(readFileSync(join(folder, 'ca.crt'), 'utf8')).toBe(cluster.ca);
  expect(existsSync(join(folder, 'token'))).toBe(true);
  expect(`https://${env['KUBERNETES_SERVICE_HOST']}:${env['KUBERNETES_SERVICE_PORT']}`).toBe(cluster.server);
});

test('a kubeconfig names a token file, so another token counts from the next start of its user on', async () => {
  const kubeconfig = JSON.parse(readFileSync(cluster.kubeconfig('tenant-a'), 'utf8')) as {
    readonly users: readonly { readonly user: { readonly tokenFile: string } }[];
  };
  expect(readFileSync(kubeconfig.users[0]?.user.tokenFile ?? '', 'utf8')).toBe(cluster.token('tenant-a'));
});
