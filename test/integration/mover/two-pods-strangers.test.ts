import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueAuthority } from '../../../certs/issue.ts';
import { copyKeys, copyPorts } from '../../../shared/api/copy.ts';
import { type Clock, systemClock } from '../../../shared/process/clock.ts';
import { until } from '../../support/cluster/until.ts';
import { run } from '../../support/csi/command.ts';
import { mebibyte, openSite, type PodSite, type Running, type Volume, writeImage } from '../../support/mover.ts';
import { giveKey, makePair, type Pair, startExport, stop } from '../../support/mover-pair.ts';

/** Who does not have the key of a copy: at either end, by whatever means. */

const kubevirt = '--content=kubevirt';
const ports = Object.entries(copyPorts);

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
  for (const [name, port] of ports)
    await until(`the export to listen on ${name}`, async () => await listens(pair.address, port));
});

afterAll(async () => await site?.close());

async function listens(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
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
  test.each(ports)('tells who speaks plainly nothing of the source, on port %s', async (name, port) => {
    const socket = connect({ host: pair.address, port });
    socket.write('GET /facts HTTP/1.1\r\nHost: x\r\n\r\n');
    const said = await text(socket).catch(() => '');
    // qemu-nbd greets, and says no more before TLS.
    if (name === 'nbd') expect(said).toMatch(/^NBDMAGIC/u);
    expect(said.length).toBeLessThan(64);
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
      port: copyPorts.control,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(psk && { pskCallback: () => ({ psk, identity: copyKeys.user }) }),
    });
    await expect(once(socket, 'secureConnect')).rejects.toThrow(/alert|handshake|socket/u);
  });

  test('does not open its disk to qemu-img without the key, or with another', async () => {
    const address = `driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=${pair.address},file.server.port=${copyPorts.nbd},file.export=source`;
    const { root } = await site.pod(source, destination, []);
    await giveKey({ root, source, destination }, randomBytes(32));
    const key = `tls-creds-psk,id=key,endpoint=client,username=${copyKeys.user},dir=${join(root, copyKeys.folder)}`;
    await expect(run('qemu-img', 'info', '--image-opts', address)).rejects.toThrow('TLS');
    await expect(
      run('qemu-img', 'info', '--object', key, '--image-opts', `${address},file.tls-creds=key`),
    ).rejects.toThrow('TLS');
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
    servers.push(server.listen({ host, port: copyPorts.control }));
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
    await until('the export to listen', async () => await listens(two.address, copyPorts.control));
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
      message: `the export pod at ${two.address} cannot be reached: connect ECONNREFUSED ${two.address}:${copyPorts.control}`,
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
