import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request as send } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Cluster } from '../../support/cluster/index.ts';

/**
 * Stands between a program and the API server and tells of every write that was carried out before its answer goes back: the moment at
 * which a program can die without knowing what it has done.
 */
export interface Gate {
  /** Path of a kubeconfig that leads through the gate, made from another one. */
  kubeconfig(through: string): string;
  /** Called with `VERB path` of each write on claims and DataVolumes; while it has not resolved, the answer waits. */
  onWrite: (write: string) => Promise<void>;
  close(): Promise<void>;
}

const watched = /\/(?:persistentvolumeclaims|datavolumes)(?:\/|\?|$)/;

export async function openGate(cluster: Cluster): Promise<Gate> {
  const upstream = new URL(cluster.server);
  const gate: { onWrite: Gate['onWrite'] } = { onWrite: async () => undefined };
  const server = createServer((incoming, outgoing) => {
    forward(incoming, outgoing, upstream, cluster.ca, async (write) => gate.onWrite(write));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(gate, {
    kubeconfig: (through: string) => rewrite(through, port),
    close: async () => closeServer(server),
  });
}

function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { hostname, port }: URL,
  ca: string,
  told: Gate['onWrite'],
): void {
  const { method = 'GET', url = '/', headers } = incoming;
  const isWrite = ['POST', 'PATCH', 'DELETE'].includes(method) && watched.test(url);
  const onward = send({ hostname, port, ca, method, path: url, headers }, (answer) => {
    const back = (): void => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    };
    if (!isWrite || (answer.statusCode ?? 500) >= 300) back();
    else void told(`${method} ${url.split('?', 1)[0] ?? ''}`).then(back);
  });
  // Either side may be gone at any moment; that is what this is for.
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

/** Plain HTTP on loopback: client-node wants to be told that nothing is verified there. */
function rewrite(through: string, port: number): string {
  const config = JSON.parse(readFileSync(through, 'utf8')) as { clusters: { cluster: { server: string } }[] };
  const clusters = config.clusters.map((entry) => ({
    ...entry,
    cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true },
  }));
  const file = join(through, '..', 'kubeconfig-through-gate');
  writeFileSync(file, JSON.stringify({ ...config, clusters }), { mode: 0o600 });
  return file;
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}
