import { type FastifyInstance, fastify } from 'fastify';
import { listenAt } from './listen.ts';
import type { Metrics } from './metrics.ts';
import type { Component } from './run.ts';

/** Whether the program is ready, as a list of named checks, and the server that tells it to kubelets and Prometheus. */

/** `true`, or why it is not so. Quick and without I/O: it is called on every probe. */
export type Probe = () => true | string;

export interface CheckResult {
  readonly name: string;
  /** Absent when the check passes. */
  readonly failure?: string;
}

export interface Health {
  /** Adds a readiness check; a later one of the same name takes its place. */
  check(name: string, probe: Probe): void;
  /** All checks, in the order in which they were added. A probe that throws counts as failed. */
  report(): readonly CheckResult[];
}

export function createHealth(): Health {
  const probes = new Map<string, Probe>();
  return {
    check: (name, probe) => {
      probes.set(name, probe);
    },
    report: () => [...probes].map(([name, probe]) => evaluate(name, probe)),
  };
}

function evaluate(name: string, probe: Probe): CheckResult {
  try {
    const outcome = probe();
    return outcome === true ? { name } : { name, failure: outcome };
  } catch (error) {
    return { name, failure: error instanceof Error ? error.message : String(error) };
  }
}

export interface OpsOptions {
  readonly host: string;
  /** 0 takes any free port; see {@link OpsServer.port}. */
  readonly port: number;
  readonly health: Health;
  readonly metrics: Metrics;
}

export interface OpsServer extends Component {
  /** The port it listens on; 0 before the start. */
  readonly port: number;
  stop(): Promise<void>;
}

/** Milliseconds. A probe or a scrape is short; whoever takes longer is not one. */
const timeouts = { connectionTimeout: 10_000, requestTimeout: 5000, keepAliveTimeout: 60_000, handlerTimeout: 5000 };

/**
 * Plain HTTP with `/livez`, `/readyz` (503 while a check fails, with its name and reason; `?verbose` lists all) and `/metrics`.
 * From the moment that the program begins to stop, `/readyz` fails so that no new traffic is sent here.
 */
export function opsServer({ host, port, health, metrics }: OpsOptions): OpsServer {
  let stopping = false;
  let bound = 0;
  const server = fastify({ logger: false, bodyLimit: 1024, forceCloseConnections: true, ...timeouts });
  const report = (): readonly CheckResult[] =>
    stopping ? [...health.report(), { name: 'shutdown', failure: 'the program is stopping' }] : health.report();
  addRoutes(server, report, metrics);
  return {
    name: 'ops',
    get port() {
      return bound;
    },
    start: async (signal) => {
      bound = await listenAt(server, host, port);
      signal.addEventListener(
        'abort',
        () => {
          stopping = true;
        },
        { once: true },
      );
    },
    stop: async () => {
      await server.close();
    },
  };
}

function addRoutes(server: FastifyInstance, report: () => readonly CheckResult[], metrics: Metrics): void {
  server.get('/livez', async (_request, reply) => reply.type('text/plain').send('ok\n'));
  server.get('/readyz', async (request, reply) => {
    const results = report();
    const ready = results.every(({ failure }) => failure === undefined);
    const verbose = new URL(request.url, 'http://ops').searchParams.has('verbose');
    return reply
      .code(ready ? 200 : 503)
      .type('text/plain')
      .send(readinessText(results, ready, verbose));
  });
  server.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}

/** In the form of Kubernetes' own endpoints, one line for each check. */
function readinessText(results: readonly CheckResult[], ready: boolean, verbose: boolean): string {
  if (ready && !verbose) return 'ok\n';
  const shown = results.filter(({ failure }) => verbose || failure !== undefined);
  const lines = shown.map(({ name, failure }) =>
    failure === undefined ? `[+]${name} ok` : `[-]${name} failed: ${failure}`,
  );
  return [...lines, ready ? 'readyz check passed' : 'readyz check failed', ''].join('\n');
}
