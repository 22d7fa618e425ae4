import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';

/** TLS 1.3 over a pair of streams in memory: everything of a real handshake but the network. */

export interface Keys {
  readonly cert: string;
  readonly key: string;
}

/** A server that listens nowhere; it takes the connections that {@link shakeHands} hands it. */
export function tlsServer(keys: Keys): Server {
  const server = createServer({ ...keys, minVersion: 'TLSv1.3' });
  // A client that refuses the certificate ends the handshake; the client's side of the test tells.
  server.on('tlsClientError', () => undefined);
  return server;
}

/** @returns the client's side, once the server has proved to be `host` to one who trusts `ca` only. @throws what the client objects to. */
export async function shakeHands(server: Server, ca: string, host: string): Promise<TLSSocket> {
  const [near, far] = duplexPair();
  server.emit('connection', far);
  const socket = connect({ socket: near, ca: [ca], host, rejectUnauthorized: true, minVersion: 'TLSv1.3' });
  await once(socket, 'secureConnect');
  return socket;
}
