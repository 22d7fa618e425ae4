import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createClient, type WatchEvent, type Watcher } from '../../../shared/kube/client.ts';
import { isGone } from '../../../shared/kube/errors.ts';
import { type ConfigMap, configMap, configMaps } from '../../support/build/configmap.ts';
import { FakeClock } from '../../support/clock.ts';
import { type FakeApi, type FakeWatch, fakeWatch, silence, startFakeApi, status } from '../../support/fake-api.ts';

let api: FakeApi;
let client: Watcher;
let clock: FakeClock;
let stream: FakeWatch;

beforeEach(async () => {
  api = await startFakeApi();
  clock = new FakeClock();
  client = createClient(api.connect(), { clock, random: () => 0 });
  stream = fakeWatch();
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

type Event = WatchEvent<ConfigMap>;

function watch(signal?: AbortSignal): AsyncIterator<Event> {
  const options = {
    resourceVersion: '7',
    namespace: 'ns',
    timeoutSeconds: 300,
    ...(signal === undefined ? {} : { signal }),
  };
  return client.watch(configMaps, options)[Symbol.asyncIterator]();
}

/** The next events, with what is fed to the stream once it is open. */
async function received(feed: () => Promise<void> | void): Promise<Event[]> {
  api.script(stream.behaviour);
  const events = watch();
  const all: Event[] = [];
  const reading = (async () => {
    for (let next = await events.next(); next.done !== true; next = await events.next()) all.push(next.value);
  })();
  reading.catch(() => undefined);
  await stream.opened;
  await feed();
  await reading;
  return all;
}

describe('a watch', () => {
  test('asks for changes from a version on, with bookmarks', async () => {
    await received(() => stream.end());
    expect(api.requests).toMatchObject([
      {
        path: '/api/v1/namespaces/ns/configmaps',
        query: { watch: 'true', resourceVersion: '7', timeoutSeconds: '300', allowWatchBookmarks: 'true' },
      },
    ]);
    expect(clock.sleeping).toBe(0);
  });

  test('gives changes, bookmarks and errors', async () => {
    const events = await received(() => {
      stream.send('ADDED', configMap('a'));
      stream.send('MODIFIED', configMap('a', { resourceVersion: '8' }));
      stream.send('DELETED', configMap('a', { resourceVersion: '9' }));
      stream.send('BOOKMARK', { metadata: { resourceVersion: '12' } });
      stream.send('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' });
      stream.end();
    });
    expect(events.map((event) => event.type)).toEqual(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']);
    expect(events[0]).toEqual({ type: 'ADDED', object: configMap('a') });
    expect(events[3]).toEqual({ type: 'BOOKMARK', resourceVersion: '12' });
    expect(events[4]).toSatisfy((event: Event) => event.type === 'ERROR' && isGone(event.error));
  });

  test('puts events together whose bytes come in pieces, cut inside a character', async () => {
    const object = configMap('a', {}, { text: 'größer 🦊 als' });
    const bytes = Buffer.from(`${JSON.stringify({ type: 'ADDED', object })}\n`);
    const fox = bytes.indexOf('🦊');
    const events = await received(async () => {
      for (const [from, to] of [
        [0, 3],
        [3, fox + 1],
        [fox + 1, fox + 3],
        [fox + 3, bytes.length - 1],
        [bytes.length - 1, bytes.length],
      ])
        await stream.write(bytes.subarray(from, to));
      stream.end();
    });
    expect(events).toEqual([{ type: 'ADDED', object }]);
  });

  test('drops half an event at its end', async () => {
    const events = await received(async () => {
      stream.send('ADDED', configMap('a'));
      await stream.write('{"type":"ADDED","object":{"metadata":{"name":"b"');
      stream.end();
    });
    expect(events).toHaveLength(1);
  });

  test.each([
    ['text', 'not json\n'],
    ['another type', '{"type":"RENAMED","object":{}}\n'],
    ['no object', '{"type":"ADDED"}\n'],
    ['an object without identity', '{"type":"ADDED","object":{"metadata":{"name":"secret-name"}}}\n'],
    ['a bookmark without a version', '{"type":"BOOKMARK","object":{"metadata":{}}}\n'],
    ['null', 'null\n'],
  ])('ends with InvalidAnswer on %s, and does not repeat it', async (_, line) => {
    const reading = received(async () => stream.write(line));
    await expect(reading).rejects.toMatchObject({ code: 0, reason: 'InvalidAnswer' });
    await expect(reading).rejects.toSatisfy((error: Error) => !error.message.includes('secret-name'));
    await stream.closed;
  });

  test('ends with Unreachable when its connection breaks', async () => {
    await expect(received(() => stream.reset())).rejects.toMatchObject({ code: 0, reason: 'Unreachable' });
  });

  test('that cannot be opened tells why', async () => {
    api.script(status(410, 'Expired'), status(403, 'Forbidden', 'no'));
    await expect(watch().next()).rejects.toSatisfy(isGone);
    await expect(watch().next()).rejects.toMatchObject({
      code: 403,
      message: expect.stringContaining('watch /api/v1'),
    });
  });

  test('that is not answered ends after half a minute', async () => {
    api.script(silence);
    const first = watch().next();
    first.catch(() => undefined);
    await expect.poll(() => api.requests.length, { interval: 2 }).toBe(1);
    await clock.advance(30_000);
    await expect(first).rejects.toMatchObject({ reason: 'DeadlineExceeded' });
    await expect.poll(() => api.connections.open, { interval: 2 }).toBe(0);
  });
});

describe('leaving a watch', () => {
  test('early closes its connection', async () => {
    api.script(stream.behaviour);
    const events = watch();
    const first = events.next();
    await stream.opened;
    stream.send('ADDED', configMap('a'));
    await first;
    await events.return?.();
    await expect(stream.closed).resolves.toBeUndefined();
  });

  test('by the signal throws its reason and closes its connection', async () => {
    const stop = new AbortController();
    const reason = new Error('we stop');
    api.script(stream.behaviour);
    const next = watch(stop.signal).next();
    next.catch(() => undefined);
    await stream.opened;
    stop.abort(reason);
    await expect(next).rejects.toBe(reason);
    await stream.closed;
    await expect(watch(stop.signal).next()).rejects.toBe(reason);
    expect(api.requests).toHaveLength(1);
  });
});
