import type { SecureContextOptions } from 'node:tls';
import { type FastifyInstance, fastify } from 'fastify';
import type { ServingMaterial } from '../certs/serving.ts';
import { listenAt } from '../shared/process/listen.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Component } from '../shared/process/run.ts';
import { boundCrowd } from './crowd.ts';
import { addRoutes, type RouteOptions } from './routes.ts';

export { bodyLimit } from './body.ts';

/** HTTPS as the API server speaks it to webhooks: TLS 1.3, and HTTP/1.1 only, for it never offers HTTP/2 to a Service. */

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

/** Milliseconds that calls in hand are waited for on stop; an answer takes a fraction of a second, or the time that the caller gives. */
const longestDrain = 10_000;

export interface ServerOptions extends RouteOptions {
  readonly host: string;
  /** 0 takes any free one; see {@link AdmissionServer.port}. */
  readonly port: number;
  /** What TLS is served with from the start; undefined when it is handed over before that. */
  readonly tls: ServingMaterial | undefined;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'admissionConnectionsCut'>;
  /** Milliseconds that calls are still taken on stop, until a Service has sent its clients elsewhere. */
  readonly drain: number;
}

export interface AdmissionServer extends Component {
  /** The port it listens on; 0 before the start. */
  readonly port: number;
  /** What TLS is served with now; undefined until there is something. */
  readonly serving: ServingMaterial | undefined;
  /** Takes new material into service: new connections get it, those that are open keep what they have. */
  readonly serve: (material: ServingMaterial) => void;
  stop(): Promise<void>;
}

/** @throws Error when the certificate or the key cannot be used. */
export function createServer(options: ServerOptions): AdmissionServer {
  const { host, port, tls, clock, log, metrics, drain } = options;
  const server = fastify({
    logger: false,
    https: {
      ...contextOf(tls),
      handshakeTimeout: times.handshakeTimeout,
      headersTimeout: times.headersTimeout,
    },
    keepAliveTimeout: times.keepAliveTimeout,
    requestTimeout: times.requestTimeout,
    // While stopping, calls on open connections are answered as ever; the API server would make a failed create of a 503.
    return503OnClosing: false,
    // On stop, connections that wait for the next call are closed at once; drained() sees to those with a call in hand.
    forceCloseConnections: 'idle',
  });
  const drained = trackCalls(server);
  const leave = sendAway(server);
  addRoutes(server, options);
  boundCrowd(server, { clock, onCut: () => metrics.admissionConnectionsCut.inc() });
  let bound = 0;
  let serving = tls;
  return {
    name: 'admission',
    get port() {
      return bound;
    },
    get serving() {
      return serving;
    },
    serve: (material) => {
      server.server.setSecureContext(contextOf(material));
      serving = material;
    },
    start: async () => {
      bound = await listenAt(server, host, port);
      log.info({ host, port: bound }, 'Admission calls are served');
    },
    stop: async () => {
      leave();
      await clock.sleep(drain);
      const closed = server.close();
      await Promise.race([drained(), clock.sleep(longestDrain)]);
      // What is left has no call in hand, or one that does not come to its end: a connection that is silent since it was opened counts as
      // busy for Node, and the close would wait for it.
      server.server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * @returns a function after whose call every answer asks its connection to be closed. The one who sent the call then closes it himself,
 * knowing that the answer was the last; were we to close it, the next call could be on its way already, and lost: the API server does not
 * repeat a POST.
 */
function sendAway(server: FastifyInstance): () => void {
  let leaving = false;
  server.addHook('onSend', async (_request, reply) => {
    if (leaving) reply.header('connection', 'close');
  });
  return () => {
    leaving = true;
  };
}

/** @returns a function that resolves when no call is in hand, from its headers to the end of its answer. */
function trackCalls(server: FastifyInstance): () => Promise<void> {
  let calls = 0;
  let idle = Promise.withResolvers<void>();
  server.addHook('onRequest', async (_request, reply) => {
    calls += 1;
    reply.raw.once('close', () => {
      calls -= 1;
      if (calls === 0) idle.resolve();
    });
  });
  return async () => {
    if (calls === 0) return;
    idle = Promise.withResolvers<void>();
    await idle.promise;
  };
}

/** The API server speaks TLS 1.3, and nobody else has any business here. */
function contextOf(material: ServingMaterial | undefined): SecureContextOptions {
  return { ...(material === undefined ? {} : { cert: material.cert, key: material.key }), minVersion: 'TLSv1.3' };
}
