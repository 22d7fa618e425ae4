import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { within } from '../shared/kube/deadline.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Component } from '../shared/process/run.ts';
import { type Audit, audited, verdictOf } from './audit.ts';
import { budgetOf } from './deadline.ts';
import { errored } from './respond.ts';
import { parseReview, type Review, ReviewError, reviewOf } from './review.ts';
import type { Handler, Ruling } from './ruling.ts';

/**
 * HTTPS as the API server speaks it to webhooks: HTTP/1.1 only (it never offers HTTP/2 to a Service, reference/baseline.md 2.3), TLS 1.3.
 * POST /mutate and POST /validate, and nothing else.
 */

/**
 * Bytes of a body. etcd keeps objects up to 1.5 MiB and the API server takes requests up to 3 MiB, but an update carries the object
 * twice, and JSON is larger than what etcd keeps. controller-runtime allows 7 MiB for the same reasons; what is larger is no review.
 */
export const bodyLimit = 7 * 1024 * 1024;

/** Milliseconds. */
const times = {
  // The API server closes connections that were idle for 90 s. Were we the first to close, a call could meet the closing connection and
  // fail (measured: 12 of 150), for a POST is not repeated.
  keepAliveTimeout: 120_000,
  // A whole request, body included; the API server does not wait longer than 30 s for the answer either.
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  handshakeTimeout: 10_000,
};

/** The API server keeps 25 idle connections each; this is for a burst of many API servers and ends before the file descriptors do. */
const mostConnections = 1024;

export interface ServerOptions {
  readonly host: string;
  /** 0 takes any free one; see {@link AdmissionServer.port}. */
  readonly port: number;
  /** PEM: the certificate with its chain, and its key. */
  readonly tls: { readonly cert: string; readonly key: string };
  readonly handlers: readonly Handler[];
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface AdmissionServer extends Component {
  /** The port it listens on; 0 before the start. */
  readonly port: number;
  stop(): Promise<void>;
}

/** @throws Error when the certificate or the key cannot be used. */
export function createServer(options: ServerOptions): AdmissionServer {
  const { host, port, tls, handlers, clock, log } = options;
  const server = fastify({
    logger: false,
    bodyLimit,
    https: {
      ...tls,
      minVersion: 'TLSv1.3',
      handshakeTimeout: times.handshakeTimeout,
      headersTimeout: times.headersTimeout,
    },
    keepAliveTimeout: times.keepAliveTimeout,
    requestTimeout: times.requestTimeout,
    // While stopping, calls on open connections are answered as ever; the API server would make a failed create of a 503.
    return503OnClosing: false,
    // On stop, connections that wait for the next call are closed at once; those with a call in hand get their answer first.
    forceCloseConnections: 'idle',
  });
  server.server.maxConnections = mostConnections;
  acceptJson(server);
  reportErrors(server, log);
  for (const handler of handlers) {
    server.post(`/${handler.webhook}`, async (request, reply) =>
      answer(options, handler, request, reply, clock.elapsed()),
    );
  }
  let bound = 0;
  return {
    name: 'admission',
    get port() {
      return bound;
    },
    start: async () => {
      await server.listen({ host, port });
      const address = server.server.address();
      bound = typeof address === 'object' && address !== null ? address.port : port;
      log.info({ host, port: bound }, 'Admission calls are served');
    },
    stop: async () => {
      await server.close();
    },
  };
}

/**
 * Own parser, because Fastify's refuses bodies that hold a key `__proto__` anywhere. A user may put such a key into an object, and has to
 * be told so by the API server rather than by a broken webhook call; JSON.parse makes an ordinary property of it, and nothing here copies
 * properties by assignment.
 */
function acceptJson(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, JSON.parse(String(body)));
    } catch {
      done(Object.assign(new Error('the body is not JSON'), { statusCode: 400 }));
    }
  });
}

/** What cannot be answered as a review is answered by HTTP: in a sentence, without anything of the inside. */
function reportErrors(server: FastifyInstance, log: Logger): void {
  server.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
    const code = error.statusCode ?? 500;
    log[code < 500 ? 'warn' : 'error'](
      { err: error, method: request.method, code },
      'Request not answered as a review',
    );
    return reply.code(code).send({ code, message: code < 500 ? error.message : 'the webhook failed to answer' });
  });
  server.setNotFoundHandler(async (_request, reply) =>
    reply.code(404).send({ code: 404, message: 'only POST /mutate and POST /validate are served here' }),
  );
}

async function answer(
  { audit, clock }: ServerOptions,
  handler: Handler,
  request: FastifyRequest,
  reply: FastifyReply,
  started: number,
): Promise<object> {
  const review = read(request.body, (message) => audit.malformed(handler.webhook, message));
  if ('answer' in review) return review.answer;
  const ruling = await ruleInTime(handler, review, budgetOf(queryOf(request, 'timeout')), clock);
  const verdict = verdictOf(handler.webhook, review, ruling);
  // When the response is out (or the API server has gone): an event must not tell of an answer that was never given another way.
  reply.raw.once('close', () => audit.tell(verdict, (clock.elapsed() - started) / 1000));
  return reviewOf(audited(verdict, ruling.response));
}

/** @throws an error with `statusCode` when there is no uid to answer to. */
function read(body: unknown, malformed: (message: string) => void): Review | { readonly answer: object } {
  try {
    return parseReview(body);
  } catch (error) {
    if (!(error instanceof ReviewError)) throw error;
    const { uid, message } = error;
    malformed(message);
    if (uid === undefined) throw Object.assign(new Error(message), { statusCode: 400 });
    return { answer: reviewOf(errored(uid, { reason: 'MalformedReview', message })) };
  }
}

async function ruleInTime(handler: Handler, review: Review, budget: number, clock: Clock): Promise<Ruling> {
  const expired = (): Error => new Error(`no answer within ${budget} ms`);
  try {
    return await within(clock, budget, undefined, expired, async (signal) => await handler.rule(review, signal));
  } catch (error) {
    return handler.fail(review, error);
  }
}

function queryOf({ query }: FastifyRequest, key: string): unknown {
  return typeof query === 'object' && query !== null ? Reflect.get(query, key) : undefined;
}
