import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Connection, type ConnectionOptions, openConnection } from '../../shared/kube/connection.ts';

/** An API server that does what a test tells it to, over real connections on loopback. */

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  /** Parsed; undefined when there was none. */
  readonly body: unknown;
}

/** What to do with one request. */
export type Behaviour = (response: ServerResponse, request: FakeRequest) => void | Promise<void>;

export interface FakeApi extends AsyncDisposable {
  readonly server: URL;
  /** All requests so far, oldest first. */
  readonly requests: readonly FakeRequest[];
  /** Connections accepted so far, and those still open. */
  readonly connections: { readonly accepted: number; readonly open: number };
  /** One behaviour for each of the next requests. A request beyond them is answered with 418, so that no test overlooks it. */
  script(...behaviours: readonly Behaviour[]): void;
  /** What all requests get for which nothing is scripted. */
  otherwise(behaviour: Behaviour): void;
  /** A connection to it, with one token. */
  connect(options?: ConnectionOptions): Connection;
}

export async function startFakeApi(): Promise<FakeApi> {
  const requests: FakeRequest[] = [];
  const sockets = new Set<Socket>();
  const scripted: Behaviour[] = [];
  const opened: Connection[] = [];
  let accepted = 0;
  let fallback: Behaviour = status(418, 'NothingScripted', 'the test did not expect this request');
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = await readRequest(incoming);
    requests.push(request);
    await (scripted.shift() ?? fallback)(response, request);
  };
  const server = createServer((incoming, response) => {
    // What a client does to its own connection is its business.
    response.on('error', () => undefined);
    void serve(incoming, response);
  });
  server.on('connection', (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  const url = await listen(server);
  return {
    server: url,
    requests,
    connections: {
      get accepted() {
        return accepted;
      },
      get open() {
        return sockets.size;
      },
    },
    script: (...behaviours) => void scripted.push(...behaviours),
    otherwise: (behaviour) => {
      fallback = behaviour;
    },
    connect: (options) => {
      const access = { server: url, tls: {}, headers: { authorization: 'Bearer secret-token' } };
      const connection = openConnection(async () => access, options);
      opened.push(connection);
      return connection;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(opened.map(async (connection) => await connection.close()));
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function listen(server: Server): Promise<URL> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

async function readRequest(incoming: IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const url = new URL(incoming.url ?? '/', 'http://fake');
  const text = Buffer.concat(chunks).toString('utf8');
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: incoming.headers,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
  };
}

type Headers = Readonly<Record<string, string>>;

export function json(body: unknown, headers: Headers = {}, code = 200): Behaviour {
  return text(code, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
}

export function text(code: number, body: string, headers: Headers = {}): Behaviour {
  return (response) => void response.writeHead(code, headers).end(body);
}

/** A metav1.Status, as the API server answers what it does not do. */
export function status(code: number, reason: string, message = reason, headers: Headers = {}, details = {}): Behaviour {
  return json({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, details }, headers, code);
}

/** The connection breaks instead of an answer. */
export const reset: Behaviour = (response) => void response.socket?.resetAndDestroy();

/** No answer, ever. */
export const silence: Behaviour = () => undefined;

/** A list of objects, with the metadata that every list has. */
export function list(items: readonly unknown[], resourceVersion = '100', next?: string): Behaviour {
  return json({
    kind: 'List',
    metadata: { resourceVersion, ...(next === undefined ? {} : { continue: next }) },
    items,
  });
}

/** A watch that the test feeds while it is open. */
export interface FakeWatch {
  readonly behaviour: Behaviour;
  /** Resolves when a client has opened it. */
  readonly opened: Promise<void>;
  /** Resolves when its connection is closed, by whomever. */
  readonly closed: Promise<void>;
  send(type: string, object: unknown): void;
  /** Bytes as they are, in a chunk of their own. */
  write(bytes: string | Uint8Array): Promise<void>;
  end(): void;
  reset(): void;
}

export function fakeWatch(): FakeWatch {
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let stream: ServerResponse | undefined;
  const open = (): ServerResponse => {
    if (stream === undefined) throw new Error('nobody has opened this watch yet');
    return stream;
  };
  return {
    behaviour: (response) => {
      stream = response;
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      response.on('close', closed.resolve);
      opened.resolve();
    },
    opened: opened.promise,
    closed: closed.promise,
    send: (type, object) => void open().write(`${JSON.stringify({ type, object })}\n`),
    write: async (bytes) => {
      await new Promise<void>((resolve) => open().write(bytes, () => resolve()));
      // Otherwise the next chunk could travel in the same packet, and what is tested is the border between them.
      await new Promise((resolve) => setImmediate(resolve));
    },
    end: () => void open().end(),
    reset: () => void open().socket?.resetAndDestroy(),
  };
}
