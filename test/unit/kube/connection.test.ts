import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createClient } from '../../../shared/kube/client.ts';
import { type Connection, connect, openConnection } from '../../../shared/kube/connection.ts';
import type { Access, AccessSource } from '../../../shared/kube/credentials.ts';
import { request } from '../../../shared/kube/request.ts';
import { systemClock } from '../../../shared/process/clock.ts';
import { configMap, configMaps } from '../../support/build/configmap.ts';
import { FakeClock } from '../../support/clock.ts';
import { type FakeApi, fakeWatch, json, silence, startFakeApi, status } from '../../support/fake-api.ts';

let api: FakeApi;
let clock: FakeClock;

beforeEach(async () => {
  api = await startFakeApi();
  clock = new FakeClock();
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

const access = (token: string, ca = 'CA'): Access => ({
  server: new URL('https://127.0.0.1:1'),
  tls: { ca },
  headers: { authorization: `Bearer ${token}` },
});

/** A source whose answers are given one after the other; the last one stays. */
function sourceOf(...answers: readonly (Access | Error)[]) {
  let count = 0;
  return vi.fn<AccessSource>(async () => {
    const answer = answers[Math.min(count, answers.length - 1)];
    count += 1;
    if (answer instanceof Error || answer === undefined) throw answer ?? new Error('no answer');
    return answer;
  });
}

const tokenOf = async (connection: Connection): Promise<string | undefined> =>
  (await connection.route()).headers['authorization'];

describe('credentials', () => {
  test('are read again after half a minute, and once for all who wait', async () => {
    const source = sourceOf(access('one'), access('two'));
    const connection = openConnection(source, { clock });
    expect(await Promise.all([tokenOf(connection), tokenOf(connection)])).toEqual(['Bearer one', 'Bearer one']);
    await clock.advance(29_999);
    expect(await tokenOf(connection)).toBe('Bearer one');
    expect(source).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    expect(await Promise.all([tokenOf(connection), tokenOf(connection)])).toEqual(['Bearer two', 'Bearer two']);
    expect(source.mock.calls).toEqual([[false], [false]]);
    await connection.close();
  });

  test('that were refused are renewed at once, but not by everyone who was refused', async () => {
    const source = sourceOf(access('one'), access('two'), access('three'));
    const connection = openConnection(source, { clock });
    const used = await connection.route();
    const renewed = await Promise.all([connection.renew(used), connection.renew(used)]);
    expect(renewed.map((route) => route.headers['authorization'])).toEqual(['Bearer two', 'Bearer two']);
    expect((await connection.renew(used)).headers['authorization']).toBe('Bearer two');
    expect(source.mock.calls).toEqual([[false], [true]]);
    const [current] = renewed;
    if (current === undefined) throw new Error('no route');
    expect(await connection.renew(current), 'at most once a second').toBe(current);
    await clock.advance(1_000);
    expect(await connection.renew(used), 'what was refused is not what is in use').toBe(current);
    expect(source).toHaveBeenCalledTimes(2);
    expect((await connection.renew(current)).headers['authorization']).toBe('Bearer three');
    await connection.close();
  });

  test('keep their connections when only the token changed, and get new ones with another authority', async () => {
    const connection = openConnection(sourceOf(access('one'), access('two'), access('two', 'CA2')), { clock });
    const routes = [await connection.route()];
    for (let time = 0; time < 2; time += 1) {
      await clock.advance(30_000);
      routes.push(await connection.route());
    }
    const [first, second, third] = routes;
    expect(second?.headers).not.toEqual(first?.headers);
    expect([second?.calls === first?.calls, second?.watches === first?.watches]).toEqual([true, true]);
    expect([third?.calls === second?.calls, third?.watches === second?.watches]).toEqual([false, false]);
    const closed = [first?.calls, first?.watches, third?.calls].map((pool) => pool instanceof Pool && pool.closed);
    expect(closed, 'the old ones must not stay open').toEqual([true, true, false]);
    await connection.close();
  });

  test('that cannot be read just now are kept, and tried again later', async () => {
    const broken = new Error('the file is being replaced');
    const source = sourceOf(access('one'), broken, broken, access('two'));
    const connection = openConnection(source, { clock });
    const used = await connection.route();
    await clock.advance(30_000);
    expect(await connection.route()).toBe(used);
    expect(await connection.renew(used)).toBe(used);
    await clock.advance(30_000);
    expect(await tokenOf(connection)).toBe('Bearer two');
    await connection.close();
  });

  test('that never were there are an error, each time', async () => {
    const connection = openConnection(sourceOf(new Error('no token'), access('late')), { clock });
    await expect(connection.route()).rejects.toThrow('no token');
    expect(await tokenOf(connection)).toBe('Bearer late');
    await connection.close();
  });

  test('refused with 401 are renewed and the call made once more, a create too', async () => {
    const server = { server: api.server, tls: {} };
    const source = sourceOf(
      { ...server, headers: { authorization: 'Bearer old' } },
      { ...server, headers: { authorization: 'Bearer new' } },
    );
    const connection = openConnection(source);
    api.script(
      status(401, 'Unauthorized'),
      json(configMap('a')),
      status(401, 'Unauthorized'),
      status(401, 'Unauthorized'),
    );
    const client = createClient(connection, { clock: systemClock, random: () => 0 });
    await client.create(configMaps, configMap('a'));
    expect(api.requests.map((seen) => seen.headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
    await expect(client.create(configMaps, configMap('a'))).rejects.toMatchObject({ code: 401 });
    expect(api.requests).toHaveLength(4);
    await connection.close();
  });
});

describe('connections', () => {
  const get = { verb: 'get', method: 'GET', path: '/x', retry: 'safe' } as const;
  const sender = (connection: Connection) => ({ connection, clock: systemClock, random: () => 0 });

  test('are kept and used again: no more than the pool has, for any number of calls', async () => {
    api.otherwise(json({}));
    const connection = api.connect({ connections: 4 });
    await Promise.all(Array.from({ length: 200 }, async () => await request(sender(connection), get)));
    for (let time = 0; time < 50; time += 1) await request(sender(connection), get);
    expect(api.requests).toHaveLength(250);
    expect(api.connections.accepted).toBeLessThanOrEqual(4);
  });

  test('of watches are their own, so that calls always find one', async () => {
    const connection = api.connect({ connections: 1 });
    const client = createClient(connection, { clock: systemClock, random: () => 0 });
    const streams = [fakeWatch(), fakeWatch(), fakeWatch()];
    api.script(...streams.map((stream) => stream.behaviour));
    const watches = streams.map(() => client.watch(configMaps, { resourceVersion: '1' })[Symbol.asyncIterator]());
    for (const watch of watches) watch.next().catch(() => undefined);
    await Promise.all(streams.map(async (stream) => stream.opened));
    api.otherwise(json({}));
    await expect(request(sender(connection), get)).resolves.toEqual({});
    await connection.close();
    await Promise.all(streams.map(async (stream) => stream.closed));
  });

  test('end with everything under way when the connection is closed', async () => {
    api.script(silence);
    const connection = api.connect();
    const answer = request(sender(connection), get);
    answer.catch(() => undefined);
    await expect.poll(() => api.requests.length, { interval: 2 }).toBe(1);
    await connection.close();
    await expect(answer).rejects.toMatchObject({ reason: 'Closed' });
    await expect.poll(() => api.connections.open, { interval: 2 }).toBe(0);
    await expect(request(sender(connection), get)).rejects.toMatchObject({ reason: 'Closed' });
    expect(api.requests, 'a closed connection is no reason to try again').toHaveLength(1);
  });

  test('go through the proxy of the kubeconfig', async () => {
    const asked: (string | undefined)[] = [];
    const proxy = createServer((incoming, response) => {
      asked.push(incoming.url);
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const source = async (): Promise<Access> => ({
      server: new URL('http://api.invalid:8443/prefix'),
      tls: {},
      headers: {},
      proxy: `http://127.0.0.1:${port}`,
    });
    const connection = openConnection(source);
    await request(sender(connection), get);
    expect(asked).toEqual(['http://api.invalid:8443/prefix/x']);
    await connection.close();
    proxy.close();
  });
});

test('connect fails at once when there is nothing to connect with, and ends with its signal', async () => {
  await expect(connect({ kubeconfig: '/nowhere/kubeconfig' })).rejects.toThrow('/nowhere/kubeconfig cannot be read');
  await expect(connect({ signal: AbortSignal.abort(new Error('we stop')) })).rejects.toThrow('we stop');
});
