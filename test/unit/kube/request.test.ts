import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError } from '../../../shared/kube/errors.ts';
import { type Call, type CallReport, request } from '../../../shared/kube/request.ts';
import { systemClock } from '../../../shared/process/clock.ts';
import { FakeClock } from '../../support/clock.ts';
import { type FakeApi, json, reset, silence, startFakeApi, status, text } from '../../support/fake-api.ts';

let api: FakeApi;
let clock: FakeClock;
let reports: CallReport[];

beforeEach(async () => {
  api = await startFakeApi();
  clock = new FakeClock();
  reports = [];
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

const get: Call = { verb: 'get', method: 'GET', path: '/api/v1/things/a', retry: 'safe' };
const post: Call = {
  verb: 'create',
  method: 'POST',
  path: '/api/v1/things',
  body: { a: 'the-body' },
  retry: 'refused',
};

function send(call: Call, random = () => 0): Promise<unknown> {
  const sender = { connection: api.connect(), clock, random, observe: (report: CallReport) => reports.push(report) };
  const answer = request(sender, call);
  // A test may look at other things before it waits for this.
  answer.catch(() => undefined);
  return answer;
}

async function failure(answer: Promise<unknown>): Promise<ApiError> {
  const error = await answer.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

/** Lets waits of no length pass, as they are with a `random` of 0, until the call is over. */
async function patient<T>(answer: Promise<T>): Promise<T> {
  const before = reports.length;
  while (reports.length === before) await clock.advance(0);
  return await answer;
}

/** Lets requests arrive until that many have; the clock stands still meanwhile. */
async function arrived(count: number): Promise<void> {
  await vi.waitFor(() => expect(api.requests).toHaveLength(count), { interval: 2 });
}

/** Until the call waits before it tries again: its deadline is the other sleeper. */
async function waiting(): Promise<void> {
  await vi.waitFor(() => expect(clock.sleeping).toBe(2), { interval: 2 });
}

describe('a request', () => {
  test('gives the parsed answer, and says who asks and with what', async () => {
    api.script(json({ hello: 'world' }));
    await expect(
      send({ ...get, query: { labelSelector: 'a in (b,c)&x=ä', limit: 5, force: undefined } }),
    ).resolves.toEqual({
      hello: 'world',
    });
    const [seen] = api.requests;
    expect(seen?.query).toEqual({ labelSelector: 'a in (b,c)&x=ä', limit: '5' });
    expect(seen?.headers).toMatchObject({ authorization: 'Bearer secret-token', accept: 'application/json' });
    expect(seen?.headers['user-agent']).toMatch(/^clonegate\/\d+\.\d+\.\d+/);
    expect(clock.sleeping, 'no timer may be left behind').toBe(0);
  });

  test('is repeated when it is safe: after a lost answer, an overload, a server error', async () => {
    api.script(reset, status(429, 'TooManyRequests'), status(503, 'ServiceUnavailable'), text(502, '<html>'), json({}));
    await patient(send(get));
    expect(api.requests).toHaveLength(5);
    expect(reports).toEqual([{ verb: 'get', method: 'GET', code: 200, ms: 0, retries: 4 }]);
  });

  test.each([
    [503, 8],
    [429, 8],
    // An internal error is often one that comes again.
    [500, 3],
  ])('gives up on %i after %i tries', async (code, tries) => {
    api.otherwise(status(code, 'Reason'));
    expect(await failure(patient(send(get)))).toMatchObject({ code });
    expect(api.requests).toHaveLength(tries);
  });

  test('waits longer each time before it is repeated, up to twice as long', async () => {
    api.otherwise(status(503, 'ServiceUnavailable'));
    const answer = send(get, () => 1);
    let count = 1;
    for (const ms of [200, 400, 800, 1_600]) {
      await waiting();
      await clock.advance(ms - 1);
      expect(api.requests).toHaveLength(count);
      await clock.advance(1);
      count += 1;
      await arrived(count);
    }
    await clock.advance(30_000);
    await failure(answer);
  });

  test.each([400, 401, 403, 404, 405, 409, 410, 413, 415, 422])('is not repeated after %i', async (code) => {
    api.otherwise(status(code, 'Reason'));
    expect(await failure(send(get))).toMatchObject({ code, reason: 'Reason' });
    // Refused credentials are renewed and tried once more, which is not a repetition of the call.
    expect(api.requests).toHaveLength(code === 401 ? 2 : 1);
    expect(reports).toMatchObject([{ code, retries: 0 }]);
  });

  test.each([
    ['a lost answer', reset],
    ['a server error', status(500, 'InternalError')],
    ['a gateway that gave up', status(504, 'Timeout')],
  ])('that creates is not repeated after %s', async (_, behaviour) => {
    api.script(behaviour);
    await failure(send(post));
    expect(api.requests).toHaveLength(1);
  });

  test('that creates is repeated after 429, when surely nothing was done', async () => {
    api.script(status(429, 'TooManyRequests'), json({ made: true }));
    await expect(patient(send(post))).resolves.toEqual({ made: true });
    expect(api.requests.map((seen) => seen.body)).toEqual([post.body, post.body]);
  });
});

describe('Retry-After', () => {
  test.each([
    ['seconds in the header', status(429, 'TooManyRequests', 'slow', { 'retry-after': '7' })],
    [
      'a date in the header',
      status(503, 'X', 'x', { 'retry-after': new Date(new FakeClock().now() + 7_000).toUTCString() }),
    ],
    ['details of the Status', status(429, 'TooManyRequests', 'slow', {}, { retryAfterSeconds: 7 })],
  ])('is obeyed as %s', async (_, behaviour) => {
    api.script(behaviour, json({}));
    const answer = send(get);
    await waiting();
    await clock.advance(6_900);
    expect(api.requests).toHaveLength(1);
    await clock.advance(1_100);
    await answer;
    expect(api.requests).toHaveLength(2);
  });

  test('beyond the deadline ends the call at once, with the answer', async () => {
    api.script(status(429, 'TooManyRequests', 'slow', { 'retry-after': '31' }));
    expect(await failure(send(get))).toMatchObject({ code: 429, retryAfter: 31_000 });
  });
});

describe('the deadline', () => {
  test('ends a call that gets no answer, and is told with what went before', async () => {
    api.script(status(500, 'InternalError', 'the first try failed'), silence);
    const answer = send({ ...get, deadline: 5_000 });
    await waiting();
    await clock.advance(0);
    await arrived(2);
    await clock.advance(5_000);
    const error = await failure(answer);
    expect(error).toMatchObject({ code: 0, reason: 'DeadlineExceeded' });
    expect(error.message).toContain('get /api/v1/things/a: no answer within 5000 ms, 2 tries');
    expect(error.message).toContain('the first try failed');
    expect(reports).toMatchObject([{ code: 0, ms: 5_000, retries: 1 }]);
    await vi.waitFor(() => expect(api.connections.open).toBe(0));
  });

  test('ends a body that never comes to its end', async () => {
    api.script((response) => void response.writeHead(200, { 'content-length': '100' }).write('{"a":'));
    const answer = send(get);
    await arrived(1);
    await clock.advance(30_000);
    expect(await failure(answer)).toMatchObject({ reason: 'DeadlineExceeded' });
  });
});

describe('the signal', () => {
  test('ends a call with its reason, wherever it is', async () => {
    const reason = new Error('we stop');
    const stop = new AbortController();
    api.script(silence);
    const answer = send({ ...get, signal: stop.signal });
    await arrived(1);
    stop.abort(reason);
    await expect(answer).rejects.toBe(reason);
    expect(clock.sleeping).toBe(0);
    await expect(send({ ...get, signal: stop.signal })).rejects.toBe(reason);
    expect(api.requests).toHaveLength(1);
  });

  test('ends the wait before a repetition', async () => {
    const stop = new AbortController();
    api.script(status(503, 'ServiceUnavailable', 'x', { 'retry-after': '20' }));
    const answer = send({ ...get, signal: stop.signal });
    await waiting();
    stop.abort(new Error('we stop'));
    await expect(answer).rejects.toThrow('we stop');
  });
});

describe('an answer that is not one', () => {
  test('names verb and path but never query, body, token or what was received', async () => {
    const secret = 'a-secret-value';
    api.script(text(200, `{"data": "${secret}`));
    const error = await failure(send({ ...post, query: { labelSelector: 'hidden' } }));
    expect(error.reason).toBe('InvalidAnswer');
    const told = `${error.message} ${JSON.stringify(error)} ${String(error.cause)}`;
    expect(told).toContain('create /api/v1/things');
    for (const hidden of [secret, 'hidden', 'the-body', 'secret-token']) expect(told).not.toContain(hidden);
  });

  test('may be no longer than the limit', async () => {
    api.script(text(200, JSON.stringify('x'.repeat(2_000))));
    expect(await failure(send({ ...get, limit: 1_000 }))).toMatchObject({ reason: 'AnswerTooLarge' });
    expect(api.requests).toHaveLength(1);
  });

  test('keeps what a proxy says to itself, and the message of a Status to a sane length', async () => {
    api.script(
      text(404, '<html>nginx</html>'),
      status(422, 'Invalid', 'x'.repeat(100_000)),
      status(422, 'Invalid', 'y'.repeat(5_000)),
    );
    expect(await failure(send(get))).toMatchObject({
      reason: 'NotFound',
      message: 'get /api/v1/things/a: 404 NotFound',
    });
    expect((await failure(send(get))).message).toBe('get /api/v1/things/a: 422 Invalid');
    expect((await failure(send(get))).message.length).toBeLessThan(1_200);
  });
});

test('a refused connection is told with the reason of the operating system', async () => {
  const { server } = api;
  await api[Symbol.asyncDispose]();
  api = await startFakeApi();
  const { openConnection } = await import('../../../shared/kube/connection.ts');
  const connection = openConnection(async () => ({ server, tls: {}, headers: {} }));
  const error = await failure(request({ connection, clock: systemClock, random: () => 0 }, get));
  expect(error.message).toMatch(/^get \/api\/v1\/things\/a: no answer: .*ECONNREFUSED/);
  await connection.close();
});
