import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlreadyExists, isConflict, isForbidden, isNotFound } from '../../../shared/kube/errors.ts';
import { subjectAccessReviews } from '../../../shared/kube/resource.ts';
import { type ConfigMap, configMaps } from '../../support/build/configmap.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { clientOf } from './client.ts';

const cluster = sharedCluster();
let client: Awaited<ReturnType<typeof clientOf>>;
let namespace: string;
beforeAll(async () => {
  client = await clientOf(cluster.kubeconfig('admin'));
  namespace = await createNamespace(cluster, 'client');
});
afterAll(async () => {
  await client.close();
  await cluster.close();
});

const named = (name: string, data: Record<string, string> = {}): ConfigMap => ({ metadata: { namespace, name }, data });
const refTo = (name: string) => ({ namespace, name });
const read = async (name: string): Promise<ConfigMap> => await client.get(configMaps, refTo(name));

describe('create', () => {
  test('makes an object once', async () => {
    const made = await client.create(configMaps, named('created', { a: '1' }));
    expect(made).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1', data: { a: '1' } });
    expect(await read('created')).toEqual(made);
    await expect(client.create(configMaps, named('created'))).rejects.toSatisfy(isAlreadyExists);
  });

  test('takes a generated name, and a dry run leaves nothing', async () => {
    const generated: ConfigMap = { metadata: { namespace, generateName: 'gen-' } };
    const { metadata } = await client.create(configMaps, generated, { dryRun: true });
    expect(metadata.name).toMatch(/^gen-.{5}$/);
    await expect(read(metadata.name)).rejects.toSatisfy(isNotFound);
  });

  test('refuses a field that the server does not know, instead of losing it', async () => {
    const unknown = { ...named('strict'), daat: { a: '1' } };
    await expect(client.create(configMaps, unknown)).rejects.toThrow(/unknown field "daat"/);
    await expect(client.apply(configMaps, unknown)).rejects.toThrow(/daat/);
  });
});

describe('apply', () => {
  test('owns what it names, gives up what it no longer names, and leaves the rest', async () => {
    await client.create(configMaps, named('applied', {}));
    await cluster.kubectl(['-n', namespace, 'patch', 'configmap', 'applied', '-p', '{"data":{"theirs":"1"}}']);
    await client.apply(configMaps, named('applied', { ours: '1', more: '2' }));
    expect((await client.apply(configMaps, named('applied', { ours: '2' }))).data).toEqual({ theirs: '1', ours: '2' });
  });

  test('of a field of somebody else is a conflict, unless forced', async () => {
    await cluster.kubectl(['-n', namespace, 'create', 'configmap', 'contested', '--from-literal=a=theirs']);
    const ours = named('contested', { a: 'ours' });
    await expect(client.apply(configMaps, ours)).rejects.toSatisfy(isConflict);
    expect((await client.apply(configMaps, ours, { force: true })).data).toEqual({ a: 'ours' });
  });
});

describe('apply with the version it builds on', () => {
  test('is a conflict when another one is stored, even by force', async () => {
    const first = await client.apply(configMaps, named('versioned', { a: '1' }));
    const { resourceVersion } = first.metadata;
    const at = (a: string) => ({ ...named('versioned', { a }), metadata: { ...refTo('versioned'), resourceVersion } });
    await client.apply(configMaps, at('2'), { force: true });
    await expect(client.apply(configMaps, at('3'), { force: true })).rejects.toSatisfy(isConflict);
    expect(await read('versioned')).toMatchObject({ data: { a: '2' } });
  });
});

describe('mergePatch', () => {
  test('changes what it names, removes what it says null of, under preconditions', async () => {
    const { metadata } = await client.create(configMaps, named('patched', { a: '1', b: '2' }));
    const { uid, resourceVersion } = metadata;
    const patch = { data: { a: null, c: '3' } };
    const patched = await client.mergePatch(configMaps, refTo('patched'), patch, {
      preconditions: { uid, resourceVersion },
    });
    expect(patched.data).toEqual({ b: '2', c: '3' });
    const late = client.mergePatch(configMaps, refTo('patched'), patch, { preconditions: { uid, resourceVersion } });
    await expect(late).rejects.toSatisfy(isConflict);
  });

  test('of another object under the name is a conflict', async () => {
    await client.create(configMaps, named('another'));
    const preconditions = { uid: '00000000-0000-0000-0000-000000000000' };
    const patched = client.mergePatch(configMaps, refTo('another'), { data: { a: '1' } }, { preconditions });
    await expect(patched).rejects.toSatisfy(isConflict);
    expect(await read('another')).not.toHaveProperty('data');
  });
});

describe('remove', () => {
  test('is content when it is gone, and keeps what has another uid', async () => {
    await client.create(configMaps, named('removed'));
    await client.remove(configMaps, refTo('removed'), { preconditions: { uid: 'another' } });
    const { metadata } = await client.get(configMaps, refTo('removed'));
    const stale = { uid: metadata.uid, resourceVersion: '1' };
    await expect(client.remove(configMaps, refTo('removed'), { preconditions: stale })).rejects.toSatisfy(isConflict);
    await client.remove(configMaps, refTo('removed'), { dryRun: true });
    await read('removed');
    await client.remove(configMaps, refTo('removed'), { preconditions: { uid: metadata.uid } });
    await expect(read('removed')).rejects.toSatisfy(isNotFound);
    await client.remove(configMaps, refTo('removed'));
  });
});

describe('pages', () => {
  test('select by label and field', async () => {
    const labelled = (name: string, app: string) => ({ metadata: { namespace, name, labels: { app } } });
    await Promise.all(['x1', 'x2'].map(async (name) => client.create(configMaps, labelled(name, 'x'))));
    await client.create(configMaps, labelled('y1', 'y'));
    const names = async (options: object): Promise<string[]> => {
      const found: string[] = [];
      for await (const page of client.pages(configMaps, { namespace, pageSize: 1, ...options })) {
        found.push(...page.items.map((item) => item.metadata.name));
      }
      return found;
    };
    expect(await names({ labelSelector: 'app in (x)' })).toEqual(['x1', 'x2']);
    expect(await names({ fieldSelector: 'metadata.name=y1' })).toEqual(['y1']);
  });
});

describe('a user without rights', () => {
  test('is refused, and told so by the server', async () => {
    const tenant = await clientOf(cluster.kubeconfig('tenant-a'));
    await expect(tenant.get(configMaps, refTo('created'))).rejects.toSatisfy(isForbidden);
    await expect(tenant.get(configMaps, refTo('created'))).rejects.toThrow(/User "tenant-a" cannot get/);
    await tenant.close();
  });

  test('review asks for him', async () => {
    const resourceAttributes = { namespace, verb: 'get', resource: 'configmaps' };
    const ask = async (user: string, groups: string[]) =>
      await client.review(subjectAccessReviews, { metadata: {}, spec: { user, groups, resourceAttributes } });
    expect(await ask('tenant-a', ['tenants'])).toMatchObject({ status: { allowed: false } });
    expect(await ask('root', ['system:masters'])).toMatchObject({ status: { allowed: true } });
  });
});
