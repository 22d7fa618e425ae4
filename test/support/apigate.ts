import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as send } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Cluster } from './cluster/index.ts';

/** Stands between a program and the API server, and decides for each call what becomes of it. */

/** `hold`: no answer until {@link ApiGate.release}. A number: this HTTP status, and the API server never hears of the call. */
export type Fate = 'pass' | 'hold' | 'reset' | number;

export interface ApiGate extends AsyncDisposable {
  /** Path of a kubeconfig that leads through the gate, made from another one. */
  readonly through: (kubeconfig: string) => string;
  /** What becomes of calls from now on. */
  fate: (call: { readonly method: string; readonly path: string }) => Fate;
  /** Calls that wait now. */
  readonly held: number;
  /** Lets the calls that wait pass. */
  release(): void;
}

export async function openGate(cluster: Pick<Cluster, 'server' | 'ca'>): Promise<ApiGate> {
  const upstream = new URL(cluster.server);
  const waiting = new Set<() => void>();
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/' } = incoming;
    const fate = gate.fate({ method, path: url });
    const go = (): void => forward(incoming, outgoing, upstream, cluster.ca);
    if (fate === 'pass') go();
    else if (fate === 'reset') incoming.socket.resetAndDestroy();
    else if (typeof fate === 'number') refuse(incoming, outgoing, fate);
    else hold(outgoing, waiting, go);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const gate: ApiGate = {
    fate: () => 'pass',
    through: (kubeconfig) => rewrite(kubeconfig, port),
    get held() {
      return waiting.size;
    },
    release: () => {
      for (const go of waiting) go();
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
  return gate;
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, { hostname, port }: URL, ca: string): void {
  const { method, url, headers } = incoming;
  const onward = send({ hostname, port, ca, method, path: url, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  // Either side may be gone at any moment; that is what this is for.
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, code: number): void {
  incoming.resume();
  const status = { apiVersion: 'v1', kind: 'Status', status: 'Failure', code, message: 'the gate says no', reason: '' };
  outgoing.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(status));
}

function hold(outgoing: ServerResponse, waiting: Set<() => void>, go: () => void): void {
  const pass = (): void => {
    waiting.delete(pass);
    go();
  };
  waiting.add(pass);
  outgoing.once('close', () => waiting.delete(pass));
}

/** Plain HTTP on loopback: client-node wants to be told that nothing is verified there. */
function rewrite(kubeconfig: string, port: number): string {
  const config = JSON.parse(readFileSync(kubeconfig, 'utf8')) as { clusters: { cluster: object }[] };
  const cluster = { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
  const clusters = config.clusters.map((entry) => ({ ...entry, cluster }));
  const file = `${kubeconfig}-through-gate-${port}`;
  writeFileSync(file, JSON.stringify({ ...config, clusters }), { mode: 0o600 });
  return file;
}
