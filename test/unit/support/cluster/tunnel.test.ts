import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectProxy, dialTcp, dialThrough, forward, isLoopback } from '../../../support/cluster/node/tunnel.ts';

let folder: string;
let echo: Server;
let authority: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tunnel-'));
  // Says back what it hears, and ends when it has heard a full stop.
  echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => (data.includes('.') ? socket.end(data) : socket.write(data)));
  });
  await new Promise<void>((resolve) => {
    echo.listen(0, '127.0.0.1', resolve);
  });
  authority = `127.0.0.1:${(echo.address() as AddressInfo).port}`;
});
afterAll(async () => {
  echo.close();
  await rm(folder, { recursive: true });
});

async function say(socket: Socket, words: string): Promise<string> {
  socket.write(words);
  return await text(socket);
}

test('what comes in at one address goes on to another, and comes back', async () => {
  const path = join(folder, 'forward.sock');
  await forward({ path }, { host: '127.0.0.1', port: (echo.address() as AddressInfo).port });
  expect(await say(connect(path), 'hello.')).toBe('hello.');
});

test('a proxy opens the connection that is asked of it, and a second proxy may be on the way', async () => {
  const [inner, outer] = [join(folder, 'inner.sock'), join(folder, 'outer.sock')];
  await connectProxy({ path: inner }, dialTcp);
  await connectProxy({ path: outer }, (wanted) => dialThrough(inner, wanted));
  expect(await say(await dialThrough(inner, authority), 'hello.')).toBe('hello.');
  expect(await say(await dialThrough(outer, authority), 'hello.')).toBe('hello.');
});

test('what cannot be reached is said, through both', async () => {
  const [inner, outer] = [join(folder, 'deaf.sock'), join(folder, 'deafer.sock')];
  await connectProxy({ path: inner }, dialTcp);
  await connectProxy({ path: outer }, (wanted) => dialThrough(inner, wanted));
  await expect(dialThrough(outer, '127.0.0.1:1')).rejects.toThrow('connect ECONNREFUSED 127.0.0.1:1');
});

test('the socket of a run that was killed is in nobody’s way', async () => {
  const path = join(folder, 'dead.sock');
  await writeFile(path, '');
  await connectProxy({ path }, dialTcp);
  expect((await stat(path)).isSocket()).toBe(true);
});

test.each([
  ['127.0.0.1:8443', true],
  ['localhost:8443', true],
  ['[::1]:8443', true],
  ['10.96.0.1:443', false],
  ['localhost.example:443', false],
])('%s is on this machine: %s', (authority, expected) => {
  expect(isLoopback(authority)).toBe(expected);
});
