import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { bodyLimit } from '../../../webhook/body.ts';
import { allowed, errored } from '../../../webhook/respond.ts';
import { addRoutes } from '../../../webhook/routes.ts';
import type { Handler } from '../../../webhook/ruling.ts';
import type { Verdict } from '../../../webhook/verdict.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import { cloneOf, createReview, newWorld } from './world.ts';

const servers: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** The routes without a network. */
function serve(handlers?: readonly Handler[]) {
  const world = newWorld();
  const clock = new FakeClock();
  const told: Verdict[] = [];
  const malformed: string[] = [];
  const server = fastify();
  servers.push(server);
  addRoutes(server, {
    handlers: handlers ?? [world.mutate, world.validate],
    audit: { tell: (verdict) => void told.push(verdict), malformed: (_, message) => void malformed.push(message) },
    clock,
    log: { warn: () => undefined, error: () => undefined },
  });
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
    await server.inject({
      method: 'POST',
      url: path,
      headers: { 'content-type': 'application/json', ...headers },
      payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
  return { world, clock, told, malformed, server, post };
}

const validate = '/validate?timeout=10s';

describe('a review', () => {
  it('is answered as a review of the same version and uid', async () => {
    const { post, told } = serve();
    const response = await post('/mutate?timeout=10s', createReview(cloneOf()));
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-type']).toMatch(/^application\/json/);
    expect(response.json()).toMatchObject({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'request-1', allowed: true, patchType: 'JSONPatch' },
    });
    await settle();
    expect(told).toMatchObject([{ webhook: 'mutate', decision: 'allow' }]);
  });

  it('carries what belongs into the audit log of the API server', async () => {
    const { post } = serve();
    const response = await post('/mutate', createReview(cloneOf()));
    expect(response.json<{ response: object }>().response).toMatchObject({
      auditAnnotations: { decision: 'allow', 'decision-id': 'request-1', access: 'allowed', reason: 'SourceNotFound' },
    });
  });

  it.each([
    ['unknown kind', { ...createReview(cloneOf()), kind: 'Pod' }],
    ['another resource', { ...createReview(cloneOf()), request: { uid: 'request-1', resource: {} } }],
  ])('that cannot be read is refused under its uid (%s)', async (_, body) => {
    const { post, told, malformed } = serve();
    const response = await post(validate, body);
    expect(response.json()).toMatchObject({
      response: {
        uid: 'request-1',
        allowed: false,
        status: { code: 400, message: expect.stringMatching(/^MalformedReview: /) },
      },
    });
    expect(malformed).toHaveLength(1);
    expect(told).toEqual([]);
  });

  it('with hostile keys and values is answered like any other', async () => {
    const { post } = serve();
    const annotations = '{"__proto__":"x","constructor":"y","\u202E\\n":"\\u0000","big":"BIG"}'.replace(
      'BIG',
      'x'.repeat(1 << 20),
    );
    const body = JSON.stringify(createReview(cloneOf())).replace(
      '"name":"disk"',
      `"name":"disk","annotations":${annotations}`,
    );
    const response = await post('/mutate', body.replace('"spec":{', '"spec":{"__proto__":{"allowed":true},'));
    expect(response.json()).toMatchObject({ response: { uid: 'request-1', allowed: true } });
    expect(({} as { allowed?: unknown }).allowed).toBeUndefined();
  });
});

describe('what is no review', () => {
  it.each([
    ['no JSON', '{"request":', {}, 400, /JSON/],
    ['nothing', '', {}, 400, /JSON/],
    ['another type', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415, /media type/i],
    ['plain text', JSON.stringify(createReview(cloneOf())), { 'content-type': 'text/plain' }, 415, /media type/i],
    ['a list', '[]', {}, 400, /AdmissionReview/],
    ['a review without a request', '{"kind":"AdmissionReview"}', {}, 400, /request: must be an object/],
    ['too much', Buffer.alloc(bodyLimit + 1, ' '), {}, 413, /too large/i],
  ])('is answered by HTTP with what is wrong (%s)', async (_, body, headers, code, message) => {
    const { post, told } = serve();
    const response = await post(validate, body, headers);
    expect(response.statusCode).toBe(code);
    expect(response.json<{ message: string }>().message).toMatch(message);
    expect(told).toEqual([]);
  });

  it.each([
    ['GET', '/validate'],
    ['POST', '/'],
    ['PUT', '/mutate'],
    ['POST', '/metrics'],
  ] as const)('%s %s is not served', async (method, url) => {
    expect((await serve().server.inject({ method, url })).statusCode).toBe(404);
  });

  it('may be as large as an update of the largest object', async () => {
    const body = JSON.stringify(createReview(cloneOf()));
    const response = await serve().post(validate, body + ' '.repeat(bodyLimit - body.length));
    expect(response.statusCode).toBe(200);
  });
});

describe('the deadline', () => {
  /** Never comes to an end by itself. */
  function stuck(webhook: Handler['webhook']): { handler: Handler; signals: AbortSignal[] } {
    const signals: AbortSignal[] = [];
    const rule: Handler['rule'] = async (_, signal) => {
      signals.push(signal);
      return await new Promise<never>(() => undefined);
    };
    const fail: Handler['fail'] = ({ uid }, error) => ({
      response:
        webhook === 'mutate'
          ? allowed(uid)
          : errored(uid, { reason: 'CloneAuthorizationFailed', message: String(error) }),
    });
    return { handler: { webhook, rule, fail }, signals };
  }

  it('answers before the API server stops waiting, and ends what is under way', async () => {
    const { handler, signals } = stuck('validate');
    const { post, clock } = serve([handler]);
    const answered = post('/validate?timeout=5s', createReview(cloneOf()));
    while (signals.length === 0) await settle();
    await clock.advance(4499);
    expect(signals[0]?.aborted).toBe(false);
    await clock.advance(1);
    expect(signals[0]?.aborted).toBe(true);
    expect((await answered).json()).toMatchObject({
      response: { allowed: false, status: { code: 503, message: expect.stringContaining('no answer within 4500 ms') } },
    });
  });

  it('leaves no timer behind when the answer was in time', async () => {
    const { post, clock } = serve();
    await post(validate, createReview(cloneOf()));
    expect(clock.sleeping).toBe(0);
  });
});

describe('an error that nobody thought of', () => {
  it('never allows', async () => {
    const broken: Handler = {
      webhook: 'validate',
      rule: async () => await Promise.reject(new TypeError('oops')),
      fail: ({ uid }) => ({ response: errored(uid, { reason: 'CloneAuthorizationFailed', message: 'x' }) }),
    };
    expect((await serve([broken]).post('/validate', createReview(cloneOf()))).json()).toMatchObject({
      response: { allowed: false, status: { code: 503 } },
    });
  });

  it('tells nothing of the inside, even where the answer to it fails', async () => {
    const broken: Handler = {
      webhook: 'validate',
      rule: async () => await Promise.reject(new Error('x')),
      fail: () => {
        throw new Error('secret of the inside');
      },
    };
    const response = await serve([broken]).post('/validate', createReview(cloneOf()));
    expect(response.statusCode).toBe(500);
    expect(response.body).not.toContain('secret');
  });
});
