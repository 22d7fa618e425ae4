import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Stored } from '../../../shared/api/objects.ts';
import type { WatchEvent } from '../../../shared/kube/client.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { createReflector, type Reflector, type ReflectorEvent } from '../../../shared/kube/reflector.ts';
import { createProjectedStore, createStore, type Store } from '../../../shared/kube/store.ts';
import { type ConfigMap, configMap, configMaps } from '../../support/build/configmap.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import {
  forbidden,
  gone,
  notFound,
  type ScriptedClient,
  scriptedClient,
  unavailable,
} from '../../support/scripted-client.ts';

let api: ScriptedClient<ConfigMap>;
let clock: FakeClock;
let store: Store<ConfigMap>;
let told: string[];
let events: ReflectorEvent[];
let stop: AbortController;
let reflector: Reflector;
const namespace = 'ns';
const log = { debug: vi.fn<() => void>(), info: vi.fn<() => void>(), warn: vi.fn<() => void>() };

beforeEach(() => {
  vi.clearAllMocks();
  api = scriptedClient<ConfigMap>();
  clock = new FakeClock();
  store = createStore<ConfigMap>();
  told = [];
  store.subscribe(({ type, object }) =>
    told.push(`${type} ${object.metadata.name}@${object.metadata.resourceVersion}`),
  );
  events = [];
  stop = new AbortController();
  reflector = createReflector({
    client: api.client,
    kind: configMaps,
    store,
    clock,
    random: () => 0,
    log,
    observe: (event) => events.push(event),
  });
});

const at = (name: string, resourceVersion: string) => configMap(name, { resourceVersion });
const page = (version: string, ...items: ReturnType<typeof at>[]) => ({ items, resourceVersion: version });
const added = (name: string, version: string): WatchEvent<ConfigMap> => ({ type: 'ADDED', object: at(name, version) });
const deleted = (name: string, version: string): WatchEvent<ConfigMap> => ({
  type: 'DELETED',
  object: at(name, version),
});
const bookmark = (resourceVersion: string): WatchEvent<ConfigMap> => ({ type: 'BOOKMARK', resourceVersion });
const causes = (): string[] => events.flatMap((event) => (event.type === 'restart' ? [event.cause] : []));

async function start(): Promise<void> {
  reflector.start(stop.signal);
  await clock.advance(0);
}

describe('a reflector', () => {
  test('lists, fills the store, and watches from the version of the list', async () => {
    api.list(page('10', at('a', '3')), page('10', at('b', '4')));
    const watch = api.watch();
    expect(reflector.health()).toEqual({ state: 'new', lastEventAt: undefined, error: undefined, open: false });
    await start();
    await reflector.synced;
    expect(told).toEqual(['added a@3', 'added b@4']);
    expect(api.calls).toEqual(['list', 'watch 10']);
    expect(events).toEqual([{ type: 'listed', objects: 2, ms: 0 }]);
    expect(watch.options).toMatchObject({ timeoutSeconds: 300 });
    expect(reflector.health()).toMatchObject({ state: 'watching', lastEventAt: clock.now() });
  });

  test('takes every change into the store', async () => {
    api.list(page('10', at('a', '3')));
    const watch = api.watch();
    await start();
    watch.push(added('b', '11'), { type: 'MODIFIED', object: at('a', '12') }, deleted('b', '13'));
    await settle();
    expect(told).toEqual(['added a@3', 'added b@11', 'updated a@12', 'deleted b@13']);
  });

  test('goes on where it was when the server ends the watch, at the version of the last bookmark', async () => {
    api.list(page('10'));
    const [first, second] = [api.watch(), api.watch()];
    await start();
    first.push(added('a', '11'), bookmark('25'));
    first.end();
    await clock.advance(0);
    second.push(added('b', '30'));
    second.end();
    await clock.advance(0);
    expect(api.calls).toEqual(['list', 'watch 10', 'watch 25', 'watch 30']);
    expect(causes()).toEqual(['closed', 'closed']);
    expect(clock.sleeping, 'only the watch that is open is watched over').toBe(1);
    expect(log.warn).not.toHaveBeenCalled();
  });

  test('asks for watches of different lengths, so that not all end together', async () => {
    const random = vi.fn<() => number>().mockReturnValueOnce(0).mockReturnValueOnce(0.5);
    const lengths = scriptedClient<ConfigMap>();
    lengths.list(page('10'));
    const watches = [lengths.watch(), lengths.watch()];
    watches[0]?.push(bookmark('11'));
    watches[0]?.end();
    createReflector({ client: lengths.client, kind: configMaps, store, clock, random }).start(stop.signal);
    await clock.advance(0);
    expect(watches.map((watch) => watch.options?.timeoutSeconds)).toEqual([300, 450]);
  });

  test('does not ask in a tight loop when each watch ends at once', async () => {
    api.list(page('10'));
    for (let count = 0; count < 3; count += 1) api.watch().end();
    await start();
    expect(api.calls).toEqual(['list', 'watch 10']);
    await clock.advance(800);
    expect(api.calls).toEqual(['list', 'watch 10', 'watch 10']);
    expect(causes()).toEqual(['error', 'error']);
  });

  test('may be started only once', async () => {
    await start();
    expect(() => reflector.start(stop.signal)).toThrow('the reflector of configmaps was started before');
  });
});

describe('410', () => {
  test.each([
    ['as an event', (watch: ReturnType<typeof api.watch>) => watch.push({ type: 'ERROR', error: gone() })],
    ['as the answer', (watch: ReturnType<typeof api.watch>) => watch.fail(gone())],
  ])('%s of a watch lists anew, and no deletion is lost', async (_, expire) => {
    api.list(page('10', at('a', '3'), at('b', '4')));
    const watch = api.watch();
    await start();
    expire(watch);
    api.list(page('50', at('b', '4'), at('c', '40')));
    await clock.advance(800);
    expect(api.calls).toEqual(['list', 'watch 10', 'list', 'watch 50']);
    expect(told.slice(2)).toEqual(['deleted a@3', 'added c@40']);
    expect(causes()).toEqual(['expired']);
  });

  test('in the middle of a list begins it anew, and shows nothing of the first', async () => {
    api.list(page('10', at('half', '1')), gone());
    await start();
    expect(told).toEqual([]);
    api.list(page('20', at('whole', '2')));
    await clock.advance(800);
    expect(told).toEqual(['added whole@2']);
  });
});

describe('after a failure', () => {
  test('it waits longer each time, and tells what is wrong', async () => {
    for (let count = 0; count < 4; count += 1) api.list(unavailable());
    await start();
    expect(reflector.health()).toMatchObject({ state: 'waiting', error: { code: 503 }, lastEventAt: undefined });
    const counts: number[] = [];
    for (const ms of [799, 1, 1_599, 1, 3_199, 1]) {
      await clock.advance(ms);
      counts.push(api.calls.length);
    }
    expect(counts).toEqual([1, 2, 2, 3, 3, 4]);
    expect(store.synced).toBe(false);
  });

  test('it resumes the watch where it was, without listing', async () => {
    api.list(page('10'));
    const [first, second] = [api.watch(), api.watch()];
    await start();
    first.push(added('a', '11'));
    first.fail(new ApiError('reset', { code: 0, reason: 'Unreachable' }));
    await clock.advance(800);
    second.push(added('b', '12'));
    await settle();
    expect(api.calls).toEqual(['list', 'watch 10', 'watch 11']);
    expect(told).toEqual(['added a@11', 'added b@12']);
    expect(reflector.health()).toMatchObject({ state: 'watching', error: undefined });
  });

  test('it begins with a short wait again once all was well for half a minute', async () => {
    api.list(unavailable());
    api.list(unavailable());
    api.list(page('10'));
    const watch = api.watch();
    await start();
    await clock.advance(800 + 1_600 + 30_000);
    expect(api.calls.at(-1)).toBe('watch 10');
    watch.fail(unavailable());
    await clock.advance(800);
    expect(api.calls).toHaveLength(5);
  });

  test('it tries again also when what failed is our own code', async () => {
    const store = createProjectedStore((object: Stored<ConfigMap>) => {
      if (object.metadata.name === 'bad') throw new TypeError('a fault in a projection');
      return object;
    });
    api.list(page('10', at('bad', '1')));
    api.list(page('11', at('good', '1')));
    reflector = createReflector({ client: api.client, kind: configMaps, store, clock, random: () => 0, log });
    await start();
    expect(reflector.health()).toMatchObject({ state: 'waiting', error: { message: 'a fault in a projection' } });
    await clock.advance(800);
    expect(store.size).toBe(1);
  });

  test('a missing right is told as such', async () => {
    api.list(new ApiError('no', { code: 403, reason: 'Forbidden' }));
    await start();
    expect(causes()).toEqual(['refused']);
    expect(log.warn).toHaveBeenCalledWith(
      expect.objectContaining({ resource: 'configmaps', cause: 'refused' }),
      'Watch broke',
    );
  });
});

describe('silence', () => {
  test('of four minutes ends a watch and resumes it', async () => {
    api.list(page('10'));
    const watch = api.watch();
    await start();
    await clock.advance(239_999);
    expect(watch.left).toBe(false);
    await clock.advance(1);
    expect(watch.left).toBe(true);
    expect(reflector.health()).toMatchObject({ state: 'waiting', error: { reason: 'Silent' } });
    await clock.advance(800);
    expect(api.calls).toEqual(['list', 'watch 10', 'watch 10']);
    expect(causes()).toEqual(['silent']);
  });

  test('is counted from the last event or bookmark', async () => {
    api.list(page('10'));
    const watch = api.watch();
    await start();
    for (const version of ['11', '12', '13']) {
      await clock.advance(200_000);
      watch.push(bookmark(version));
      await settle();
      expect(reflector.health().lastEventAt).toBe(clock.now());
    }
    expect(watch.left).toBe(false);
    await clock.advance(240_000);
    expect(watch.left).toBe(true);
  });
});

describe('a namespace that does not let us in', () => {
  const refuse = (count: number): void => {
    for (let each = 0; each < count; each += 1) api.list(forbidden());
  };

  beforeEach(() => {
    reflector = createReflector({
      client: api.client,
      kind: configMaps,
      store,
      clock,
      random: () => 0,
      log,
      namespace,
    });
  });

  test('counts as synced but not as open, is told of once, and is looked into when it does', async () => {
    refuse(4);
    await start();
    await reflector.synced;
    expect([store.synced, store.size]).toEqual([true, 0]);
    expect(reflector.health()).toMatchObject({ state: 'closed', error: undefined, open: false });
    await clock.advance(800 + 1_600 + 3_200);
    expect(api.calls).toEqual(['list', 'list', 'list', 'list']);

    api.list(page('10', at('a', '3')));
    await clock.advance(6_400);
    expect(told).toEqual(['added a@3']);
    expect(reflector.health()).toMatchObject({ state: 'watching', open: true });
    expect(log.warn.mock.calls).toEqual([
      [
        expect.objectContaining({ resource: 'configmaps', namespace }),
        'Namespace does not exist, or no role lets us into it',
      ],
    ]);
    expect(log.info.mock.calls).toEqual([[expect.objectContaining({ namespace }), 'Namespace lets us in']]);
  });

  test('any more is not believed on one answer alone, but on two: then nothing of it is left, and it is not open', async () => {
    api.list(page('10', at('a', '3')));
    const watch = api.watch();
    await start();
    watch.fail(forbidden());
    refuse(2);
    await settle();
    expect([store.size, reflector.health().open]).toEqual([1, true]);
    await clock.advance(800);
    expect(told).toEqual(['added a@3', 'deleted a@3']);
    expect(reflector.health()).toMatchObject({ state: 'closed', open: false });
    expect(api.calls).toEqual(['list', 'watch 10', 'list']);
  });

  test('stays closed while nobody answers', async () => {
    refuse(1);
    api.list(unavailable());
    await start();
    await clock.advance(800);
    expect(reflector.health()).toMatchObject({ state: 'waiting', open: false });
  });

  test('is one thing, and not to be let into the cluster another: then nothing is ready', async () => {
    reflector = createReflector({ client: api.client, kind: configMaps, store, clock, random: () => 0, log });
    refuse(2);
    await start();
    await clock.advance(800);
    expect(store.synced).toBe(false);
    expect(reflector.health()).toMatchObject({ state: 'waiting', error: { code: 403 } });
  });
});

describe('a kind that is not served', () => {
  test('counts as synced and empty, is looked for quietly, and is picked up when it appears', async () => {
    for (let count = 0; count < 5; count += 1) api.list(notFound());
    await start();
    await reflector.synced;
    expect([store.synced, store.size]).toEqual([true, 0]);
    expect(reflector.health()).toMatchObject({ state: 'absent', error: undefined });
    await clock.advance(800 + 1_600 + 3_200 + 6_400);
    expect(reflector.health().state).toBe('absent');
    api.list(page('10', at('a', '3')));
    await clock.advance(30_000);
    expect(told).toEqual(['added a@3']);
    expect(reflector.health().state).toBe('watching');
    expect(log.warn).not.toHaveBeenCalled();
    expect(log.info.mock.calls.map((call: readonly unknown[]) => call[1])).toEqual([
      'Kind is not served',
      'Kind is served now',
    ]);
  });

  test('is not believed to be gone on one answer alone, but on two', async () => {
    api.list(page('10', at('a', '3')));
    const watch = api.watch();
    api.list(notFound());
    await start();
    watch.fail(new ApiError('expired', { code: 410, reason: 'Gone' }));
    await clock.advance(800);
    expect(reflector.health()).toMatchObject({ state: 'waiting', error: { code: 404 } });
    expect(store.size).toBe(1);
    api.list(notFound());
    await clock.advance(1_600);
    expect(reflector.health().state).toBe('absent');
    expect(told).toEqual(['added a@3', 'deleted a@3']);
  });
});

describe('stopping', () => {
  const reason = new Error('we stop');

  /** Each way to be busy. */
  const states: readonly (readonly [string, () => void])[] = [
    ['listing', () => undefined],
    ['waiting', () => api.list(unavailable())],
    ['absent', () => api.list(notFound())],
    ['watching', () => api.list(page('10'))],
  ];

  test.each(states)('while %s ends everything, and nothing is told afterwards', async (state, prepare) => {
    prepare();
    await start();
    expect(reflector.health().state).toBe(state);
    stop.abort(reason);
    await reflector.stopped;
    expect(reflector.health().state).toBe('stopped');
    const before = [told.length, events.length, api.calls.length];
    await clock.advance(3_600_000);
    expect([told.length, events.length, api.calls.length]).toEqual(before);
    expect([api.open, clock.sleeping]).toEqual([0, 0]);
  });

  test('leaves what was received but not yet taken', async () => {
    api.list(page('10'));
    const watch = api.watch();
    await start();
    watch.push(added('a', '11'), added('b', '12'));
    stop.abort(reason);
    await reflector.stopped;
    expect(told).toEqual([]);
  });

  test('in the middle of a list leaves the store as it is', async () => {
    api.list(page('10', at('a', '3')), page('10', at('b', '4')));
    reflector.start(stop.signal);
    stop.abort(reason);
    await reflector.stopped;
    expect(store.synced).toBe(false);
  });

  test('when the last page has just come leaves the store as it is', async () => {
    const client = {
      ...api.client,
      pages: async function* () {
        yield page('10', at('a', '3')) as never;
        stop.abort(reason);
      },
    };
    reflector = createReflector({ client, kind: configMaps, store, clock, random: () => 0 });
    await start();
    await reflector.stopped;
    expect([store.synced, told]).toEqual([false, []]);
  });

  test('by a listener, while it is told of a change, takes no further change', async () => {
    api.list(page('10'));
    const watch = api.watch();
    await start();
    store.subscribe(() => stop.abort(reason));
    watch.push(added('a', '11'), added('b', '12'));
    await reflector.stopped;
    expect(told).toEqual(['added a@11']);
  });

  test('before the store was filled rejects those who wait for that, with the reason', async () => {
    await start();
    stop.abort(reason);
    await expect(reflector.synced).rejects.toBe(reason);
  });

  test('before it began begins nothing', async () => {
    stop.abort(reason);
    await start();
    await reflector.stopped;
    expect(api.calls).toEqual([]);
  });
});
