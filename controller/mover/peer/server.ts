import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { copyPort } from '../../../shared/api/copy.ts';
import type { Context } from '../context.ts';
import { type CopyError, fromErrno } from '../failure.ts';
import { serverTls } from './key.ts';
import type { Offer } from './offer.ts';
import { calls, type Message, protocols, upgrade, write } from './protocol.ts';

/** Answers the other pod of the copy (protocol.ts), and nobody else. */

export interface ServerOptions extends Pick<Context, 'clock' | 'log'> {
  /** The one to listen on. */
  readonly address: string;
  readonly key: Buffer;
  readonly offering: Promise<Offer>;
}

export interface ControlServer {
  /** Tells all that ask why there is no more, and ends. */
  close(reason: CopyError): Promise<void>;
}

/** Milliseconds for a handshake and for a request: who has the key needs a few, and who has not keeps nobody else out for long. */
const patience = 10_000;
/** A few that are in use, and some of a pod that is gone and that the kernel does not know of yet. */
const mostConnections = 16;
/** Bytes of a request; ours has some hundred. */
const mostHeaders = 4096;
/** Milliseconds between two signs of life. */
const heartbeat = 5000;
/** Milliseconds for the last words to be heard. */
const farewell = 1000;

export async function startServer({ address, key, offering, clock, log }: ServerOptions): Promise<ControlServer> {
  const over = new AbortController();
  const answering = new Set<Promise<unknown>>();
  const connections = new Set<Duplex>();
  const answers = answersOf(offering, over.signal, clock);
  const server = createServer({
    ...serverTls(key),
    handshakeTimeout: patience,
    headersTimeout: patience,
    requestTimeout: patience,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: mostHeaders,
  });
  server.maxConnections = mostConnections;
  server.on('connection', (connection: Duplex) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
  });
  server.on('tlsClientError', ({ message }) => log.warn({ said: message }, 'Somebody without the key was turned away'));
  server.on('request', (request, response) => {
    const answered = answer(answers, request, response).finally(() => answering.delete(answered));
    answering.add(answered);
  });
  server.on('upgrade', (request, connection, head) => {
    join(offering, request, connection, head).catch((error: unknown) => {
      log.info({ err: error }, 'A connection to the source ended before it was done');
      // After what the tool has said last, which may still be under way.
      connection.end();
    });
  });
  await listen(server, address);
  return {
    close: async (reason) => {
      over.abort(reason);
      await Promise.race([Promise.allSettled(answering), clock.sleep(farewell)]);
      for (const connection of connections) connection.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function listen(server: Server, address: string): Promise<void> {
  try {
    server.listen({ host: address, port: copyPort });
    await once(server, 'listening');
  } catch (error) {
    throw fromErrno(error, `listening on port ${copyPort} of ${address}`);
  }
}

type Answers = Readonly<Record<string, () => AsyncGenerator<Message, unknown>>>;

function answersOf(offering: Promise<Offer>, over: AbortSignal, clock: Context['clock']): Answers {
  return {
    [calls.watch]: async function* watch() {
      for (;;) {
        yield { kind: 'alive' };
        await clock.sleep(heartbeat, over);
      }
    },
    [calls.facts]: async function* facts() {
      yield (await offering).facts;
    },
    [calls.content]: async function* content() {
      yield* (await offering).content();
    },
  };
}

async function answer(
  answers: Answers,
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const messages = method === 'GET' ? answers[url] : undefined;
  if (messages === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  // Who asked may be gone, which is his business.
  await pipeline(Readable.from(linesOf(messages())), response).catch(() => undefined);
}

/** Characters that are sent together, of what there may be millions of. */
const together = 16_384;

async function* linesOf(messages: AsyncGenerator<Message, unknown>): AsyncGenerator<string> {
  let lines = '';
  try {
    for await (const message of messages) {
      lines += write(message);
      if (message.kind === 'entry' && lines.length < together) continue;
      yield lines;
      lines = '';
    }
    yield lines + write({ kind: 'end' });
  } catch (error) {
    yield lines + write({ kind: 'failed', error: fromErrno(error, 'reading the source') });
  }
}

async function join(
  offering: Promise<Offer>,
  { url, headers }: IncomingMessage,
  connection: Duplex,
  head: Buffer,
): Promise<void> {
  const offer = await offering;
  const protocol = protocols[offer.facts.kind];
  if (url !== calls.source || headers.upgrade !== protocol) {
    connection.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    return;
  }
  if (head.length > 0) connection.unshift(head);
  connection.write(upgrade.answer(protocol));
  await offer.relay(connection);
}
