import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request as send } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Cluster } from '../../../support/cluster/index.ts';

/** Stands between one controller and the API server: every call passes a meddler, before it is carried out and after. */
export interface Interposer {
  /** Path of a kubeconfig that leads through it, made from another one. */
  readonly through: (kubeconfig: string) => string;
  meddler: Meddler;
  close(): Promise<void>;
}

export interface Call {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly isWatch: boolean;
  /** Whether it changes objects. Events tell people something, leases say who works, reviews are questions: none of them counts. */
  readonly isWrite: boolean;
  /** Parsed; undefined where there is none. */
  readonly body: unknown;
}

/** What becomes of a call. `lose`: the connection breaks. A number: this HTTP status. */
export type Fate = 'pass' | 'lose' | 409 | 429 | 500;

export interface Meddler {
  /** Anything but `pass`, and the API server never hears of it. */
  readonly before?: (call: Call) => Fate | Promise<Fate>;
  /** It was carried out, which its sender does not know yet. Not called for what has failed by itself, nor for watches. */
  readonly after?: (call: Call) => Fate | Promise<Fate>;
}

const aside = /\/(?:events|leases|subjectaccessreviews)(?:\/|$)/;

export async function openInterposer(cluster: Pick<Cluster, 'server' | 'ca'>): Promise<Interposer> {
  const agent = new Agent({ keepAlive: true, ca: cluster.ca });
  const upstream = new URL(cluster.server);
  const own: { meddler: Meddler } = { meddler: {} };
  const server = createServer((incoming, outgoing) => {
    // Either side may be gone at any moment; that is what this is for.
    forward(incoming, outgoing, { upstream, agent, meddler: own.meddler }).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(own, {
    through: (kubeconfig: string) => rewrite(kubeconfig, port),
    close: async () => {
      agent.destroy();
      await closeServer(server);
    },
  });
}

interface Way {
  readonly upstream: URL;
  readonly agent: Agent;
  readonly meddler: Meddler;
}

async function forward(incoming: IncomingMessage, outgoing: ServerResponse, way: Way): Promise<void> {
  const body = await bodyOf(incoming);
  const call = callOf(incoming, body);
  const fate = (await way.meddler.before?.(call)) ?? 'pass';
  if (fate !== 'pass') {
    answer(outgoing, fate);
    return;
  }
  const response = await pass(incoming, outgoing, body, way);
  const code = response.statusCode ?? 502;
  const afterwards = code < 300 && !call.isWatch ? ((await way.meddler.after?.(call)) ?? 'pass') : 'pass';
  if (afterwards !== 'pass') {
    response.resume();
    answer(outgoing, afterwards);
    return;
  }
  outgoing.writeHead(code, response.headers);
  // A watch in which nothing happens yet has been opened all the same.
  outgoing.flushHeaders();
  // Unlike `pipe`, this breaks the one side when the other breaks.
  await pipeline(response, outgoing);
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function callOf({ method = 'GET', url = '/' }: IncomingMessage, body: Buffer): Call {
  const [path = '', query = ''] = url.split('?', 2);
  return {
    method,
    path,
    isWatch: new URLSearchParams(query).has('watch'),
    isWrite: method !== 'GET' && !aside.test(path),
    body: body.length === 0 ? undefined : JSON.parse(body.toString()),
  };
}

async function pass(
  { method, url, headers }: IncomingMessage,
  outgoing: ServerResponse,
  body: Buffer,
  { upstream: { hostname, port }, agent }: Way,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const onward = send({ hostname, port, agent, method, path: url, headers }, resolve);
    onward.on('error', reject);
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) onward.destroy();
    });
    onward.end(body);
  });
}

const reasons = { 409: 'Conflict', 429: 'TooManyRequests', 500: 'InternalError' } as const;

function answer(outgoing: ServerResponse, fate: Exclude<Fate, 'pass'>): void {
  if (fate === 'lose') {
    outgoing.destroy();
    return;
  }
  const reason = reasons[fate];
  const headers = fate === 429 ? { 'retry-after': '1' } : {};
  outgoing.writeHead(fate, { 'content-type': 'application/json', ...headers });
  const message = 'a fault ordered by the test';
  outgoing.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: fate, reason, message }));
}

/** Plain HTTP on loopback: client-node wants to be told that nothing is verified there. */
function rewrite(kubeconfig: string, port: number): string {
  const config = JSON.parse(readFileSync(kubeconfig, 'utf8')) as { clusters: { cluster: object }[] };
  const cluster = { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
  const clusters = config.clusters.map((entry) => ({ ...entry, cluster }));
  const file = `${kubeconfig}-through-${port}`;
  writeFileSync(file, JSON.stringify({ ...config, clusters }), { mode: 0o600 });
  return file;
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}
