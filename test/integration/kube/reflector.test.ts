import { join } from 'node:path';
import { Client as HttpClient } from 'undici';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type KubeObject, keyOf, type Stored } from '../../../shared/api/objects.ts';
import {
  createReflector,
  type Reflector,
  type ReflectorEvent,
  type ReflectorOptions,
} from '../../../shared/kube/reflector.ts';
import type { Resource } from '../../../shared/kube/resource.ts';
import { createStore, type Store } from '../../../shared/kube/store.ts';
import { systemClock } from '../../../shared/process/clock.ts';
import { type ConfigMap, configMaps } from '../../support/build/configmap.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { clientOf } from './client.ts';

/** A cluster of its own: this file kills, pauses and compacts. */
let cluster: Cluster;
let client: Awaited<ReturnType<typeof clientOf>>;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'reflector' });
  client = await clientOf(cluster.kubeconfig('admin'));
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(async () => {
  await client.close();
  await cluster.stop();
});

interface Watched<T extends KubeObject> {
  readonly store: Store<T>;
  readonly reflector: Reflector;
  readonly events: readonly ReflectorEvent[];
  /** `type name@version` of every change told. */
  readonly told: readonly string[];
}

function reflect<T extends KubeObject>(kind: Resource<T>, options: Partial<ReflectorOptions<T>>): Watched<T> {
  const store = createStore<T>();
  const told: string[] = [];
  const events: ReflectorEvent[] = [];
  store.subscribe(({ type, object }) =>
    told.push(`${type} ${object.metadata.name}@${object.metadata.resourceVersion}`),
  );
  const observe = (event: ReflectorEvent): void => void events.push(event);
  const reflector = createReflector({
    client,
    kind,
    store,
    clock: systemClock,
    random: Math.random,
    observe,
    ...options,
  });
  const stop = new AbortController();
  stops.push(async () => {
    stop.abort(new Error('the test is over'));
    await reflector.stopped;
  });
  reflector.start(stop.signal);
  return { store, reflector, events, told };
}

/** Versions by key, as a fresh list has them. */
async function fresh(namespace: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const page of client.pages(configMaps, { namespace }))
    for (const item of page.items) found.set(...version(item));
  return found;
}

const version = ({ metadata }: Stored<KubeObject>): [string, string] => [keyOf(metadata), metadata.resourceVersion];
const held = (store: Store<ConfigMap>): Map<string, string> => new Map(store.list().map(version));

async function settled(store: Store<ConfigMap>, namespace: string): Promise<void> {
  const expected = await fresh(namespace);
  await until('the store to equal a fresh list', () => {
    const now = held(store);
    return now.size === expected.size && [...expected].every(([key, at]) => now.get(key) === at);
  });
}

const count = (names: readonly string[], type: string): number => names.filter((name) => name.startsWith(type)).length;
const causes = (events: readonly ReflectorEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'restart' ? [event.cause] : []));

async function createMany(namespace: string, names: readonly string[]): Promise<void> {
  const left = [...names];
  const work = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      await client.apply(configMaps, { metadata: { namespace, name }, data: { name } });
    }
  };
  await Promise.all(Array.from({ length: 12 }, work));
}

const names = (prefix: string, size: number): string[] =>
  Array.from({ length: size }, (_, index) => `${prefix}-${index}`);

/** What the API server does every five minutes: forgets all versions before the present one. */
async function compact(): Promise<void> {
  const etcd = new HttpClient('http://localhost', { socketPath: join(cluster.address.folder, 'etcd.sock') });
  const call = async (path: string, body: object): Promise<{ header: { revision: string } }> => {
    const answer = await etcd.request({ method: 'POST', path, body: JSON.stringify(body) });
    return (await answer.body.json()) as { header: { revision: string } };
  };
  const { header } = await call('/v3/kv/range', { key: Buffer.from('/none').toString('base64') });
  await call('/v3/kv/compaction', { revision: header.revision, physical: true });
  await etcd.close();
}

test('5,000 objects come in pages of 100, each once, and none keeps its managedFields', async () => {
  const namespace = await createNamespace(cluster, 'many');
  await createMany(namespace, names('n', 5_000));
  const { store, reflector, told, events } = reflect(configMaps, { namespace });
  await reflector.synced;
  expect(store.size).toBe(5_000);
  expect(told).toHaveLength(5_000);
  expect(events).toMatchObject([{ type: 'listed', objects: 5_000 }]);
  expect(store.list().filter((object) => 'managedFields' in object.metadata)).toEqual([]);
  expect((await client.get(configMaps, { namespace, name: 'n-0' })).metadata).toHaveProperty('managedFields');
  const lists = (await cluster.auditEvents()).filter(
    (event) =>
      event.verb === 'list' && event.objectRef?.namespace === namespace && event.requestURI.includes('limit=100'),
  );
  expect(lists).toHaveLength(50);
  await settled(store, namespace);
});

test('an API server that is killed and comes back costs nothing: all is told, and nothing twice', async () => {
  const namespace = await createNamespace(cluster, 'killed');
  await createMany(namespace, names('before', 20));
  const { store, reflector, told, events } = reflect(configMaps, { namespace });
  await reflector.synced;
  const writing = createMany(namespace, names('during', 300));
  await until('some to be told', () => told.length > 50);
  await cluster.apiServer.kill();
  await until('the reflector to notice', () => reflector.health().state === 'waiting');
  await cluster.apiServer.start();
  await writing.catch(() => undefined);
  await createMany(namespace, names('during', 300));
  await Promise.all(names('before', 10).map(async (name) => client.remove(configMaps, { namespace, name })));
  await settled(store, namespace);
  expect(reflector.health()).toMatchObject({ state: 'watching', error: undefined });
  expect(store.size).toBe(310);
  expect([count(told, 'added'), count(told, 'deleted')]).toEqual([320, 10]);
  expect(new Set(told).size, 'nothing was told twice').toBe(told.length);
  expect(causes(events)).toContain('error');
});

test('a watch that goes silent is dropped, and resumed when somebody answers again', async () => {
  const namespace = await createNamespace(cluster, 'silent');
  const { store, reflector, events } = reflect(configMaps, { namespace, silenceLimit: 1_000 });
  await reflector.synced;
  cluster.apiServer.pause();
  try {
    await until('the silence to be noticed', () => causes(events).includes('silent'));
    expect(reflector.health()).toMatchObject({ error: { reason: 'Silent' } });
  } finally {
    cluster.apiServer.resume();
  }
  await createMany(namespace, ['after']);
  await settled(store, namespace);
  expect(events.filter((event) => event.type === 'listed')).toHaveLength(1);
});

test('a version that is too old leads to a new list, which tells what was deleted meanwhile', async () => {
  const namespace = await createNamespace(cluster, 'expired');
  await createMany(namespace, ['stays', 'goes']);
  // What is older than its start is too old for a watch cache.
  await cluster.apiServer.kill();
  await cluster.apiServer.start();
  let watches = 0;
  const late: ReflectorOptions<ConfigMap>['client'] = {
    pages: (kind, options) => client.pages(kind, options),
    watch: async function* (kind, options) {
      watches += 1;
      if (watches === 1) await client.remove(configMaps, { namespace, name: 'goes' });
      yield* client.watch(kind, watches === 1 ? { ...options, resourceVersion: '1' } : options);
    },
  };
  const { store, events, told } = reflect(configMaps, { namespace, client: late });
  await until('a second list', () => events.filter((event) => event.type === 'listed').length === 2);
  await settled(store, namespace);
  expect(causes(events)).toEqual(['expired']);
  expect(told.map((text) => text.split('@')[0])).toEqual(['added goes', 'added stays', 'deleted goes']);
});

test('a list that expires between two pages begins anew', async () => {
  const namespace = await createNamespace(cluster, 'compacted');
  await createMany(namespace, names('n', 30));
  let lists = 0;
  const slow: ReflectorOptions<ConfigMap>['client'] = {
    watch: (kind, options) => client.watch(kind, options),
    pages: async function* (kind, options) {
      lists += 1;
      const first = lists === 1;
      for await (const page of client.pages(kind, { ...options, pageSize: 10 })) {
        yield page;
        if (first) await expire(namespace);
      }
    },
  };
  const { store, reflector, events, told } = reflect(configMaps, { namespace, client: slow });
  await reflector.synced;
  expect(causes(events)).toEqual(['expired']);
  expect(lists).toBe(2);
  expect(count(told, 'added')).toBe(store.size);
  await settled(store, namespace);
});

/** Makes every token of a list that was begun before too old. */
async function expire(namespace: string): Promise<void> {
  await createMany(namespace, ['later']);
  await compact();
  // The API server keeps what lists need for a while of its own, unless it has just started.
  await cluster.apiServer.kill();
  await cluster.apiServer.start();
}

test('a kind whose CRD is not installed is empty and absent, and appears and goes with the CRD', async () => {
  const widgets: Resource<KubeObject> = {
    group: 'test.clonegate.io',
    version: 'v1',
    kind: 'Widget',
    plural: 'widgets',
    namespaced: true,
  };
  const { store, reflector, told } = reflect(widgets, {});
  await reflector.synced;
  expect([reflector.health().state, store.synced, store.size]).toEqual(['absent', true, 0]);

  const crd = await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(widgetCrd) });
  expect(crd).toMatchObject({ code: 0 });
  await until('the kind to appear', () => reflector.health().state === 'watching');
  const widget = { apiVersion: 'test.clonegate.io/v1', kind: 'Widget', metadata: { name: 'w' } };
  await cluster.kubectl(['apply', '-n', 'default', '-f', '-'], { input: JSON.stringify(widget) });
  await until('the widget', () => store.get('default/w'));

  await cluster.kubectl(['delete', 'crd', 'widgets.test.clonegate.io', '--wait=false']);
  await until('the kind to go', () => reflector.health().state === 'absent');
  expect(store.size).toBe(0);
  expect(told.map((text) => text.split('@')[0])).toEqual(['added w', 'deleted w']);
});

const widgetCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.test.clonegate.io' },
  spec: {
    group: 'test.clonegate.io',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
};
