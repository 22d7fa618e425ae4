import { on, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { boundCrowd } from '../../../webhook/crowd.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import { until } from '../../support/cluster/until.ts';

/** Plain HTTP on loopback: TLS below it changes nothing of this. */

const servers: FastifyInstance[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A server for three connections that answers `go` when told to, and anything else at once. */
async function serve() {
  const clock = new FakeClock();
  const going: (() => void)[] = [];
  const bodies: number[] = [];
  let cut = 0;
  const server = fastify({ forceCloseConnections: true });
  servers.push(server);
  server.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  server.post('/go', async () => await new Promise((resolve) => going.push(() => resolve('gone'))));
  server.post('/', async ({ body }) => {
    bodies.push(String(body).length);
    return 'done';
  });
  boundCrowd(server, { clock, onCut: () => (cut += 1) }, 3);
  await server.listen({ host: '127.0.0.1', port: 0 });
  const address = server.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const join = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };
  return { clock, going, bodies, join, cuts: () => cut };
}

const post = (path: string, body = '', length = body.length): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n${body}`;

/** However it is closed: being cut off is an error on this side. */
async function closed(socket: Socket | undefined): Promise<void> {
  await new Promise<void>((resolve) => socket?.once('close', () => resolve()));
}

/** The next one, whole: it may come in several pieces. */
async function answer(socket: Socket): Promise<string> {
  let text = '';
  for await (const [piece] of on(socket, 'data', { close: ['close'] }) as AsyncIterable<[Buffer]>) {
    text += piece.toString();
    const [, length, body] = /content-length: (\d+)[^]*?\r\n\r\n([^]*)$/i.exec(text) ?? [];
    if (length !== undefined && body?.length === Number(length)) return text;
  }
  throw new Error(`the connection was closed after ${JSON.stringify(text)}`);
}

describe('connections', () => {
  it('are not ended as long as there is room', async () => {
    const { join, cuts } = await serve();
    const all = [await join(), await join(), await join()];
    all[0]?.write(post('/'));
    expect(await answer(all[0] as Socket)).toContain('200 OK');
    expect(cuts()).toBe(0);
  });

  it('that were silent for longest make room for the next', async () => {
    const { join, cuts } = await serve();
    const [first, second] = [await join(), await join(), await join()];
    first.write(post('/'));
    await answer(first);
    const ended = closed(second);
    const fourth = await join();
    await ended;
    expect(cuts()).toBe(1);
    for (const socket of [first, fourth]) {
      socket.write(post('/'));
      expect(await answer(socket)).toContain('200 OK');
    }
  });

  it('with a call in hand are never ended for it, even the newcomer first', async () => {
    const { join, going, cuts } = await serve();
    const busy = [await join(), await join(), await join()];
    for (const socket of busy) socket.write(post('/go'));
    await until('all calls to be in hand', () => going.length === 3);
    const late = await join();
    await closed(late);
    expect(cuts()).toBe(1);
    for (const go of going) go();
    for (const socket of busy) expect(await answer(socket)).toContain('gone');
  });

  it('that begin a call and do not end it are silent all the same', async () => {
    const { join, cuts } = await serve();
    const slow = [await join(), await join(), await join()];
    for (const socket of slow) socket.write('POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const ended = closed(slow[0]);
    const next = await join();
    await ended;
    next.write(post('/'));
    expect(await answer(next)).toContain('200 OK');
    expect(cuts()).toBe(1);
  });
});

describe('large bodies', () => {
  const large = 64 * 1024 + 1;

  async function stalled(count: number) {
    const server = fastify({ forceCloseConnections: true });
    servers.push(server);
    const clock = new FakeClock();
    const seen: number[] = [];
    server.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    server.post('/', async ({ body }) => {
      seen.push(String(body).length);
      return 'done';
    });
    boundCrowd(server, { clock, onCut: () => undefined });
    await server.listen({ host: '127.0.0.1', port: 0 });
    const address = server.server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const begin = async (text: string): Promise<Socket> => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      sockets.push(socket);
      await once(socket, 'connect');
      socket.write(text);
      return socket;
    };
    const slow = await Promise.all(Array.from({ length: count }, () => begin(post('/', 'x', large))));
    await until('their turns to have begun', () => clock.sleeping === Math.min(count, 8));
    return { clock, seen, begin, slow };
  }

  it('wait for their turn, while ordinary ones do not', async () => {
    const { seen, begin } = await stalled(8);
    await begin(post('/', 'x'.repeat(large)));
    const ordinary = await begin(post('/', 'small'));
    expect(await answer(ordinary)).toContain('200 OK');
    expect(seen).toEqual([5]);
  });

  it('come to their turn when one before them is answered', async () => {
    const { begin, slow } = await stalled(8);
    const ninth = await begin(post('/', 'x'.repeat(large)));
    slow[3]?.write('x'.repeat(large - 1));
    expect(await answer(slow[3] as Socket)).toContain('200 OK');
    expect(await answer(ninth)).toContain('200 OK');
  });

  it('that do not arrive lose their turn, and the waiting get it', async () => {
    const { clock, begin, slow } = await stalled(8);
    const ninth = await begin(post('/', 'x'.repeat(large)));
    await settle();
    const ended = Promise.all(slow.map((socket) => closed(socket)));
    await clock.advance(5000);
    await ended;
    expect(await answer(ninth)).toContain('200 OK');
  });

  it('whose sender goes away while waiting take no place', async () => {
    const { begin, slow } = await stalled(8);
    const gone = await begin(post('/', 'x'.repeat(large)));
    gone.destroy();
    for (const socket of slow) socket.write('x'.repeat(large - 1));
    for (const socket of slow) expect(await answer(socket)).toContain('200 OK');
    const next = await begin(post('/', 'x'.repeat(large)));
    expect(await answer(next)).toContain('200 OK');
  });
});
