import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request as send } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Cluster } from '../../support/cluster/index.ts';

/**
 * Stands between one controller and the API server and lets a test do something to every write: before it is carried out, or after, when
 * the controller cannot know of it yet. Which requests are writes follows from the requests themselves, so none can be forgotten.
 */
export interface Interposer {
  /** Path of a kubeconfig that leads through it, made from another one. */
  kubeconfig(through: string): string;
  meddler: Meddler;
  close(): Promise<void>;
}

export interface Write {
  /** `VERB path`, without the query. */
  readonly name: string;
}

/** What is done to a write. `lose`: the connection breaks. */
export type Interference = 'lose' | { readonly code: number; readonly reason: string; readonly retryAfter?: number };

export interface Meddler {
  /** The write is carried out unless this says otherwise. */
  readonly before?: (write: Write) => Promise<Interference | undefined>;
  /** It was carried out; its answer goes back unless this says otherwise. */
  readonly after?: (write: Write) => Promise<Interference | undefined>;
}

export interface InterposerOptions {
  /** The controller sees no DataVolumes but those of this namespace, so that several can work beside each other. */
  readonly namespace: string;
}

/** Events tell people something, leases say who works, reviews are questions: none of them is a part of the work. */
const aside = /\/(?:events|leases|subjectaccessreviews)(?:\/|$)/;
const allVolumes = '/apis/cdi.kubevirt.io/v1beta1/datavolumes';

export async function openInterposer(cluster: Cluster, { namespace }: InterposerOptions): Promise<Interposer> {
  const upstream = new URL(cluster.server);
  const own = { meddler: {} as Meddler };
  const server = createServer((incoming, outgoing) => {
    const url = (incoming.url ?? '/').replace(
      allVolumes,
      `/apis/cdi.kubevirt.io/v1beta1/namespaces/${namespace}/datavolumes`,
    );
    const seen = incoming.url?.startsWith(allVolumes) === true ? url : (incoming.url ?? '/');
    // Either side may be gone at any moment; that is what this is for.
    forward(incoming, outgoing, { upstream, ca: cluster.ca, url: seen, meddler: own.meddler }).catch(() =>
      outgoing.destroy(),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(own, {
    kubeconfig: (through: string) => rewrite(through, port, namespace),
    close: async () => closeServer(server),
  });
}

interface Way {
  readonly upstream: URL;
  readonly ca: string;
  readonly url: string;
  readonly meddler: Meddler;
}

async function forward(incoming: IncomingMessage, outgoing: ServerResponse, way: Way): Promise<void> {
  const { method = 'GET' } = incoming;
  const path = way.url.split('?', 1)[0] ?? '';
  const isWrite = ['POST', 'PATCH', 'PUT', 'DELETE'].includes(method) && !aside.test(path);
  const write: Write = { name: `${method} ${path}` };
  const instead = isWrite ? await way.meddler.before?.(write) : undefined;
  if (instead !== undefined) {
    interfere(outgoing, instead);
    return;
  }
  const answer = await pass(incoming, outgoing, way);
  const code = answer.statusCode ?? 502;
  const afterwards = isWrite && code < 300 ? await way.meddler.after?.(write) : undefined;
  if (afterwards !== undefined) {
    answer.destroy();
    interfere(outgoing, afterwards);
    return;
  }
  outgoing.writeHead(code, answer.headers);
  answer.pipe(outgoing);
}

async function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { upstream, ca, url }: Way,
): Promise<IncomingMessage> {
  const { hostname, port } = upstream;
  return new Promise((resolve, reject) => {
    const onward = send({ hostname, port, ca, method: incoming.method, path: url, headers: incoming.headers }, resolve);
    onward.on('error', reject);
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
}

function interfere(outgoing: ServerResponse, interference: Interference): void {
  if (interference === 'lose') {
    outgoing.destroy();
    return;
  }
  const { code, reason, retryAfter } = interference;
  const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
  outgoing.writeHead(code, { 'content-type': 'application/json', ...headers });
  const message = `${reason} of the test`;
  outgoing.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }));
}

/** Plain HTTP on loopback: client-node wants to be told that nothing is verified there. */
function rewrite(through: string, port: number, name: string): string {
  const config = JSON.parse(readFileSync(through, 'utf8')) as { clusters: { cluster: { server: string } }[] };
  const clusters = config.clusters.map((entry) => ({
    ...entry,
    cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true },
  }));
  const file = join(through, '..', `kubeconfig-${name}`);
  writeFileSync(file, JSON.stringify({ ...config, clusters }), { mode: 0o600 });
  return file;
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}
