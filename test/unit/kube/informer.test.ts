import { beforeEach, describe, expect, test } from 'vitest';
import type { KubeObject, Stored } from '../../../shared/api/objects.ts';
import { type Informed, type InformOptions, inform, reflecting } from '../../../shared/kube/informer.ts';
import { configMaps, metadataOf, namespaces, persistentVolumes } from '../../../shared/kube/resource.ts';
import { createServed, type Doors } from '../../../shared/kube/served.ts';
import { createHealth } from '../../../shared/process/health.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { type ConfigMap, configMap } from '../../support/build/configmap.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import { forbidden, gone, type ScriptedClient, type Source, scriptedClient } from '../../support/scripted-client.ts';

/** A store that is fed from several namespaces, each of which may have its troubles. */

const clock = new FakeClock();
const log = createLogger({ level: 'silent', name: 'test' });
let areas: Map<string, ScriptedClient<KubeObject>>;
let metrics: ReturnType<typeof createMetrics>;
let health: ReturnType<typeof createHealth>;
let served: Doors;
let stop: AbortController;

/** What is asked for within this area (a namespace, or a selector; `all` without either). */
function area(name: string): ScriptedClient<KubeObject> {
  const known = areas.get(name) ?? scriptedClient<KubeObject>();
  areas.set(name, known);
  return known;
}

const client: Source = {
  pages: (kind, options = {}) => area(options.namespace ?? options.fieldSelector ?? 'all').client.pages(kind, options),
  watch: (kind, options) => area(options.namespace ?? options.fieldSelector ?? 'all').client.watch(kind, options),
};

function options(...names: readonly string[]): InformOptions {
  served = createServed(names);
  return { client, clock, random: () => 0, log, metrics, health, served };
}

async function start({ reflectors }: Pick<Informed<KubeObject>, 'reflectors'>): Promise<void> {
  // Whether it comes to its end is not what is looked at here.
  reflecting('test', reflectors)
    .start(stop.signal, () => undefined)
    .catch(() => undefined);
  await clock.advance(0);
}

const at = (namespace: string, name: string, resourceVersion = '1'): Stored<ConfigMap> =>
  configMap(name, { namespace, resourceVersion, uid: `uid-of-${namespace}-${name}` });
const page = (...items: readonly Stored<KubeObject>[]) => ({ items, resourceVersion: '10' });
const keys = ({ store }: Informed<KubeObject>) =>
  store.list().map(({ metadata: { namespace = '', name } }) => `${namespace}/${name}`);
const isReady = () => health.report().every(({ failure }) => failure === undefined);

beforeEach(() => {
  areas = new Map();
  metrics = createMetrics({ process: false });
  health = createHealth();
  stop = new AbortController();
  return () => stop.abort(new Error('the test is over'));
});

describe('namespace by namespace', () => {
  test('a store is filled, and ready when the last has answered', async () => {
    const informed = inform(options('a', 'b'), configMaps);
    area('a').list(page(at('a', 'one')));
    await start(informed);
    expect([keys(informed), isReady()]).toEqual([['a/one'], false]);
    expect([...areas.keys()]).toEqual(['a', 'b']);
  });

  test('a list that starts over in one replaces what is of that one alone', async () => {
    const informed = inform(options('a', 'b'), configMaps);
    area('a').list(page(at('a', 'one'), at('a', 'two')));
    area('b').list(page(at('b', 'one')));
    const watch = area('a').watch();
    await start(informed);
    expect(isReady()).toBe(true);
    area('a').list(page(at('a', 'three')));

    watch.fail(gone());
    await clock.advance(800);

    expect(keys(informed)).toEqual(['b/one', 'a/three']);
    expect(area('b').calls).toEqual(['list', 'watch 10']);
    const text = await metrics.registry.metrics();
    expect(text).toContain('clonegate_store_objects{resource="configmaps"} 2');
    expect(text).toContain('clonegate_watch_restarts_total{resource="configmaps",cause="expired"} 1');
  });

  test('one that does not let us in keeps nobody from being ready, and is told of when it opens', async () => {
    const informed = inform(options('a', 'b'), configMaps);
    let openings = 0;
    served.subscribe(() => void (openings += 1));
    area('a').list(page(at('a', 'one')));
    area('b').list(forbidden());
    await start(informed);
    expect([isReady(), keys(informed), openings]).toEqual([true, ['a/one'], 1]);
    expect([served.closed('a'), served.closed('b')]).toEqual([
      undefined,
      'namespace b does not exist, or no role lets Clonegate into it',
    ]);
    expect(await metrics.registry.metrics()).toContain('clonegate_namespace_open{namespace="b"} 0');

    area('b').list(page(at('b', 'one')));
    await clock.advance(800);
    expect([keys(informed), openings, served.closed('b')]).toEqual([['a/one', 'b/one'], 2, undefined]);
    expect(await metrics.registry.metrics()).toContain('clonegate_namespace_open{namespace="b"} 1');
  });

  test('a namespace is open when all of its kinds are', async () => {
    const both = options('a');
    const [one, other] = [inform(both, configMaps), inform(both, configMaps)];
    area('a').list(page());
    await start(one);
    expect(served.closed('a')).toBeDefined();
    area('a').list(page());
    await start(other);
    expect(served.closed('a')).toBeUndefined();
  });

  test('of Namespaces only those that are served are asked for, by name, and to be refused them is no small thing', async () => {
    const informed = inform(options('a', 'b'), metadataOf(namespaces));
    const named = (name: string): Stored<KubeObject> => ({ metadata: { name, uid: name, resourceVersion: '1' } });
    area('metadata.name=a').list(page(named('a')));
    area('metadata.name=b').list(forbidden());
    await start(informed);
    await settle();
    expect([keys(informed), isReady()]).toEqual([['/a'], false]);
    expect([...areas.keys()]).toEqual(['metadata.name=a', 'metadata.name=b']);
  });

  test('what has no namespace is asked for as ever', async () => {
    const informed = inform(options('a', 'b'), persistentVolumes);
    area('all').list(page());
    await start(informed);
    expect([isReady(), [...areas.keys()]]).toEqual([true, ['all']]);
  });

  test('opens again after it was closed, and is told of again', async () => {
    let openings = 0;
    let isOpen = true;
    served = createServed(['a']);
    served.add({ namespace: 'a', isOpen: () => isOpen });
    served.subscribe(() => void (openings += 1));
    for (const next of [true, true, false, false, true]) {
      isOpen = next;
      served.looked('a');
    }
    expect(openings).toBe(2);
  });
});

test('where all are served, one list asks for all', async () => {
  const informed = inform(options(), configMaps);
  area('all').list(page(at('a', 'one'), at('b', 'one')));
  await start(informed);
  expect([keys(informed), isReady(), served.closed('anywhere')]).toEqual([['a/one', 'b/one'], true, undefined]);
});
