import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer as createHttpServer, request } from 'node:http';
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Server, type Socket } from 'node:net';

/** Each connection that comes in goes on over one that `target` names. */
export async function forward(listen: ListenOptions, target: NetConnectOpts): Promise<void> {
  await serve(
    createServer((client) => link(client, connect(target))),
    listen,
  );
}

/** An HTTP proxy that knows CONNECT only (RFC 9110, section 9.3.6); `dial` is given `host:port`. */
export async function connectProxy(listen: ListenOptions, dial: (authority: string) => Promise<Socket>): Promise<void> {
  const server = createHttpServer();
  server.on('connect', ({ url = '' }, client: Socket, head: Buffer) => void open(dial(url), client, head));
  await serve(server, listen);
}

async function open(dialled: Promise<Socket>, client: Socket, head: Buffer): Promise<void> {
  // Who has gone meanwhile needs no answer.
  client.on('error', () => client.destroy());
  try {
    const target = await dialled;
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    client.unshift(head);
    link(client, target);
  } catch (error) {
    client.end(`HTTP/1.1 502 ${String(error).replaceAll(/\s/g, ' ')}\r\n\r\n`);
  }
}

/** A connection to `host:port`. */
export async function dialTcp(authority: string): Promise<Socket> {
  const socket = connect(parseAuthority(authority));
  await once(socket, 'connect');
  return socket;
}

/** A connection to `host:port` that a {@link connectProxy} at a Unix socket opens. @throws Error with its words when it could not. */
export async function dialThrough(socketPath: string, authority: string): Promise<Socket> {
  const asked = request({ socketPath, method: 'CONNECT', path: authority });
  asked.end();
  const [{ statusCode, statusMessage }, socket, head] = (await once(asked, 'connect')) as [
    { readonly statusCode: number; readonly statusMessage: string },
    Socket,
    Buffer,
  ];
  if (statusCode !== 200) throw new Error(statusMessage);
  socket.unshift(head);
  return socket;
}

/** Whether an authority names the machine that asks. */
export function isLoopback(authority: string): boolean {
  const { host } = parseAuthority(authority);
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** The host and port that CONNECT names; an IPv6 address stands in brackets. */
function parseAuthority(authority: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`tcp://${authority}`);
  return { host: hostname.replaceAll(/^\[|\]$/g, ''), port: Number(port) };
}

/** What comes from one goes to the other, and when one has ended, so has the other. */
function link(one: Socket, other: Socket): void {
  one.pipe(other);
  other.pipe(one);
  for (const socket of [one, other]) {
    const peer = socket === one ? other : one;
    socket.on('error', () => peer.destroy());
    socket.on('close', () => peer.destroy());
  }
}

async function serve(server: Server, listen: ListenOptions): Promise<void> {
  // The socket of a run that was killed.
  if (listen.path !== undefined) await rm(listen.path, { force: true });
  server.listen(listen);
  await once(server, 'listening');
}
