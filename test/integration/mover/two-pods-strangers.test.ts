import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueAuthority } from '../../../certs/issue.ts';
import { connectPeer } from '../../../controller/mover/peer/client.ts';
import { clientTls, readKey } from '../../../controller/mover/peer/key.ts';
import { upgrade } from '../../../controller/mover/peer/protocol.ts';
import { createPump } from '../../../controller/mover/peer/pump.ts';
import { copyKeys, copyPort, copySockets } from '../../../shared/api/copy.ts';
import { type Clock, systemClock } from '../../../shared/process/clock.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { until } from '../../support/cluster/until.ts';
import { run } from '../../support/csi/command.ts';
import { mebibyte, openSite, type PodSite, type Running, type Volume, writeImage } from '../../support/mover.ts';
import { giveKey, makePair, type Pair, startExport, stop } from '../../support/mover-pair.ts';

/** Who does not have the key of a copy: at either end, by whatever means. */

const kubevirt = '--content=kubevirt';

let site: PodSite;
let source: Volume;
let destination: Volume;
let pair: Pair;
let exporting: Running;

beforeAll(async () => {
  site = await openSite();
  source = await site.volume('block', 8 * mebibyte);
  destination = await site.volume('block', 8 * mebibyte);
  await writeImage(source.path, 8 * mebibyte);
  pair = await makePair(site, source, destination);
  exporting = startExport(site, pair, [kubevirt]);
  await until('the export to listen', async () => await listens(pair.address));
});

afterAll(async () => await site?.close());

async function listens(host: string): Promise<boolean> {
  const socket = connect({ host, port: copyPort });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe('an export', () => {
  test('tells who speaks plainly nothing at all', async () => {
    const socket = connect({ host: pair.address, port: copyPort });
    socket.write('GET /facts HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await text(socket).catch(() => '')).toBe('');
  });

  test.each<[string, SecureContextOptions & { readonly psk?: Buffer; readonly identity?: string }]>([
    ['no key', {}],
    ['another key', { psk: randomBytes(32) }],
    ['another key and an older version', { psk: randomBytes(32), maxVersion: 'TLSv1.2', ciphers: 'PSK' }],
    ['a certificate', certificate()],
  ])('does not finish a handshake with %s', async (_, { psk, ...options }) => {
    const socket = connectTls({
      ...options,
      host: pair.address,
      port: copyPort,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(psk && { pskCallback: () => ({ psk, identity: copyKeys.user }) }),
    });
    await expect(once(socket, 'secureConnect')).rejects.toThrow(/alert|handshake|socket/u);
  });

  test('listens nowhere else: its qemu-nbd has no network, and only its own user gets to it', async () => {
    const socket = join(pair.exporter.root, copySockets, 'nbd');
    await until('qemu-nbd to listen', async () => (await stat(socket).catch(() => undefined)) !== undefined);
    // To connect takes the right to write.
    expect((await stat(socket)).mode & 0o022).toBe(0);
    const tool = (await run('cat', `/proc/${exporting.pid}/task/${exporting.pid}/children`)).trim();
    const listening = (await run('ss', '-Hltnp')).split('\n');
    const of = (pid: string): readonly string[] => listening.filter((line) => line.includes(`pid=${pid},`));
    expect(of(String(exporting.pid)).map((line) => line.split(/\s+/u)[3])).toEqual([`${pair.address}:${copyPort}`]);
    expect(await run('cat', `/proc/${tool}/comm`)).toBe('qemu-nbd');
    expect(of(tool)).toEqual([]);
  });

  test('has a disk image for nobody who asks for a tree', async () => {
    const [key, log] = [
      await readKey(join(pair.importer.root, copyKeys.folder)),
      createLogger({ level: 'silent', name: 'test' }),
    ];
    const signal = new AbortController().signal;
    const peer = await connectPeer({ address: pair.address, key, clock: systemClock, signal, log });
    await expect(peer.connect('tree', createPump())).rejects.toMatchObject({ reason: 'CopyPeerUnreachable' });
    peer.close();
  });

  test.each(['nbd', 'rsync'] as const)('outlives who asks for %s and breaks off at once', async (protocol) => {
    const psk = await readKey(join(pair.importer.root, copyKeys.folder));
    for (let time = 0; time < 20; time += 1) {
      const raw = connect({ host: pair.address, port: copyPort });
      const socket = connectTls({ ...clientTls(psk), socket: raw });
      await once(socket, 'secureConnect');
      socket.on('error', () => undefined);
      socket.write(upgrade.request(protocol));
      if (time % 2 === 0) await once(socket, 'readable');
      raw.resetAndDestroy();
    }
    expect(exporting.pid).toSatisfy((pid: number) => process.kill(pid, 0));
  });

  test('does all this with whoever has the key still, and has told nobody of it', async () => {
    const { result } = await site.copy(pair.importer, [...pair.args, kubevirt, '--verify=true']);
    expect(result).toMatchObject({ outcome: 'succeeded' });
    expect(await stop(exporting)).toBe(0);
    const { output } = await exporting.ended;
    expect(output).toContain('Somebody without the key was turned away');
    const [, hex = ''] = (await run('cat', join(pair.exporter.root, copyKeys.folder, copyKeys.file))).split(':');
    expect(hex).toHaveLength(64);
    expect(output).not.toContain(hex);
  });
});

describe('an import', () => {
  const servers: Server[] = [];

  afterAll(() => {
    for (const server of servers) server.close();
  });

  const importFrom = async (clock?: Clock) => {
    const two = await makePair(site, source, destination);
    return { two, copy: async () => (await site.copy(two.importer, [...two.args, kubevirt], clock)).result };
  };
  const listen = async (server: Server, host: string): Promise<void> => {
    servers.push(server.listen({ host, port: copyPort }));
    await once(server, 'listening');
  };
  const stranger = {
    reason: 'CopyPeerUnreachable',
    message: expect.stringContaining('does not have the key of this copy'),
    retry: true,
  };

  test('tells who has another key nothing', async () => {
    const { two, copy } = await importFrom();
    const other = startExport(site, two, [kubevirt]);
    await until('the export to listen', async () => await listens(two.address));
    await giveKey(two.importer, randomBytes(32));
    expect(await copy()).toMatchObject(stranger);
    expect(await stop(other)).toBe(0);
  });

  test.each<[string, () => Server]>([
    ['a certificate', () => createTlsServer(certificate(), (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'))],
    ['no TLS', () => createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'))],
  ])('does not take who has %s for the export', async (_, make) => {
    const { two, copy } = await importFrom();
    await listen(make(), two.address);
    expect(await copy()).toMatchObject(stranger);
  });

  test('says so when nobody is there, after a while', async () => {
    const { two, copy } = await importFrom(hurried);
    expect(await copy()).toEqual({
      outcome: 'failed',
      reason: 'CopyPeerUnreachable',
      message: `the export pod at ${two.address} cannot be reached: connect ECONNREFUSED ${two.address}:${copyPort}`,
      retry: true,
    });
  });

  test.each([
    ['is not there', async (file: string) => await run('rm', file), 'No such file'],
    ['is another text', async (file: string) => await run('sh', '-c', 'echo secret > "$1"', 'sh', file), 'not the key'],
  ])('whose key %s says so, and not what it is', async (_, spoil, words) => {
    const { two, copy } = await importFrom();
    await spoil(join(two.importer.root, copyKeys.folder, copyKeys.file));
    const result = await copy();
    expect(result).toMatchObject({ outcome: 'failed', message: expect.stringMatching(new RegExp(words, 'iu')) });
    expect(JSON.stringify(result)).not.toContain('secret');
  });
});

test('an export without an address of its own does not listen anywhere', async () => {
  const { exporter } = await makePair(site, source, destination);
  const { result } = await site.copy(exporter, ['--role=export', kubevirt]);
  expect(result).toMatchObject({
    reason: 'CopyToolFailed',
    message: 'POD_IP has to be the IP address of this pod',
    retry: false,
  });
});

function certificate(): { readonly cert: string; readonly key: string } {
  const { certificatePem: cert, privateKeyPem: key } = issueAuthority({
    commonName: 'somebody',
    days: 2,
    now: Date.now(),
  });
  return { cert, key };
}

/** A minute takes less than a second of it. */
const hurried: Clock = {
  ...systemClock,
  elapsed: () => systemClock.elapsed() * 100,
  sleep: async (ms, signal) => await systemClock.sleep(ms / 100, signal),
};
