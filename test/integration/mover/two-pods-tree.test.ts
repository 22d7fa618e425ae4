import { mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectPeer } from '../../../controller/mover/peer/client.ts';
import { readKey } from '../../../controller/mover/peer/key.ts';
import { openTunnel } from '../../../controller/mover/peer/tunnel.ts';
import { sync } from '../../../controller/mover/tree/plan.ts';
import { archiveCapabilities, copyKeys } from '../../../shared/api/copy.ts';
import { systemClock } from '../../../shared/process/clock.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { run } from '../../support/csi/command.ts';
import { mebibyte, openSite, type PodSite, type Running, type Volume } from '../../support/mover.ts';
import { makePair, type Pair, startExport, stop, treeExporter } from '../../support/mover-pair.ts';
import { blocksOf, plant, portrait } from './trees.ts';

/** Trees that one pod hands out and another one copies, by the real rsync on both sides. */

const archive = '--content=archive';

let site: PodSite;
let source: Volume;
let destination: Volume;
let pair: Pair;
let exporting: Running;

beforeAll(async () => {
  site = await openSite();
  source = await site.volume('ext4', 128 * mebibyte);
  destination = await site.volume('xfs', 320 * mebibyte);
  pair = await makePair(site, source, destination);
  await plant(source.path);
  await symlink('/etc', join(source.path, 'way-out'));
  exporting = startExport(site, pair, [archive], treeExporter);
});

beforeEach(async () => await run('sh', '-c', 'cd "$1" && find . -mindepth 1 -delete', 'sh', destination.path));

afterAll(async () => await site?.close());

describe('a tree', () => {
  test('is the same afterwards, by no more capabilities than the pods have', async () => {
    const { result } = await site.start(pair.importer, [...pair.args, archive, '--verify=true'], {
      capabilities: archiveCapabilities,
    }).ended;
    const here = await site.copy(await site.pod(source, await site.volume('ext4', 128 * mebibyte)), [
      archive,
      '--verify=true',
    ]);
    // The digest too is that of a copy by one pod.
    expect(result).toEqual({ ...here.result, seconds: expect.any(Number) });
    expect(result.outcome).toBe('succeeded');
    expect(await portrait(destination.path)).toBe(await portrait(source.path));
    expect(await blocksOf(join(destination.path, 'holes'))).toBeLessThan(1024);
  });

  test('is the same with a limit and with every block allocated, and what an earlier attempt has left is read again', async () => {
    const args = [...pair.args, archive, '--verify=true'];
    const first = await site.copy(pair.importer, [...args, '--preallocation=true', '--bandwidth=1000000000']);
    expect(first.result).toMatchObject({ outcome: 'succeeded' });
    expect(await blocksOf(join(destination.path, 'holes'))).toBeGreaterThanOrEqual((64 * mebibyte) / 512);
    const change =
      'cp -p "$1" "$1.time"; printf Z | dd of="$1" bs=1 seek=7 conv=notrunc status=none; touch -r "$1.time" "$1"; rm "$1.time"';
    await run('sh', '-ec', change, 'sh', join(destination.path, 'a/deep/big'));
    await writeFile(join(destination.path, 'more'), '');
    expect((await site.copy(pair.importer, args)).result).toMatchObject({ outcome: 'succeeded' });
    expect(await portrait(destination.path)).toBe(await portrait(source.path));
  });

  test.each([
    [
      'content',
      'printf X | dd of="$d/a/deep/big" bs=1 seek=5 conv=notrunc status=none; touch -r "$s/a/deep/big" "$d/a/deep/big"',
      'the copy differs at "a/deep/big": its content does',
    ],
    ['an extended attribute', 'setfattr -n user.a -v b "$d/empty"', 'rsync still finds differences: .f........x empty'],
  ])('is read again by both: what differs is found (%s)', async (name, change, message) => {
    // `sync -f -- folder` is the last that is done before.
    const tools = join(site.folder, `lying-${name.length}`);
    await mkdir(tools);
    await writeFile(join(tools, 'sync'), `#!/bin/sh\nd="$3"; s=${source.path}; ${change}\n`, { mode: 0o755 });
    const { result } = await site.start(pair.importer, [...pair.args, archive, '--verify=true'], { tools }).ended;
    expect(result).toMatchObject({
      reason: 'CopyVerificationFailed',
      message: expect.stringContaining(message),
      retry: true,
    });
  });
});

describe('who has the key', () => {
  let origin: string;
  let close: () => void;

  beforeAll(async () => {
    const key = await readKey(join(pair.importer.root, copyKeys.folder));
    const [signal, log] = [new AbortController().signal, createLogger({ level: 'silent', name: 'test' })];
    const peer = await connectPeer({ address: pair.address, key, clock: systemClock, signal, log });
    const tunnel = await openTunnel(
      async (pump) => await peer.connect('tree', pump),
      () => undefined,
    );
    origin = `rsync://127.0.0.1:${tunnel.port}/source/`;
    close = () => {
      tunnel.close();
      peer.close();
    };
  });

  afterAll(() => close?.());

  test('gets holes for next to nothing', async () => {
    const from = origin.replace(/\/$/u, '');
    const order = { preallocation: false, bandwidth: 0n };
    const given = { source: from, destination: destination.path, found: 'nothing', user: 0, order } as const;
    const received = async (holesFromAfar: boolean): Promise<number> => {
      const { program, args } = sync({ ...given, holesFromAfar });
      await run('sh', '-c', 'cd "$1" && find . -mindepth 1 -delete', 'sh', destination.path);
      return Number(/^Total bytes received: (\d+)$/mu.exec(await run(program, '--stats', ...args))?.[1]);
    };
    // 64 MiB are a hole.
    expect((await received(false)) - (await received(true))).toBeGreaterThan(63 * mebibyte);
  });

  test.each<[string, (to: string) => readonly string[], string | RegExp]>([
    ['write', () => ['-a', '/etc/hostname', origin], 'module is read only'],
    ['follow links', (to) => ['-aL', origin, to], 'connection unexpectedly closed'],
    ['have files removed', (to) => ['-a', '--remove-source-files', origin, to], 'connection unexpectedly closed'],
    ['name files outside', (to) => ['-a', `${origin}../../etc/shadow`, to], /No such file|symbolic links/u],
    ['have a link led out', (to) => ['-a', `${origin}way-out/hostname`, to], /No such file|symbolic links/u],
    ['list other modules', () => [origin.replace('/source/', '/other/')], 'Unknown module'],
  ])('can not %s', async (_, args, words) => {
    const to = join(destination.path, 'stolen');
    // rsync says some of it on its standard output.
    await expect(run('sh', '-c', 'exec rsync --stderr=client "$@" >&2', 'sh', ...args(to))).rejects.toThrow(words);
    expect(await readdir(destination.path)).toEqual([]);
  });
});

test('an export that is told to end leaves nothing, ends the import, and has logged what it refused', async () => {
  const importing = site.start(pair.importer, [...pair.args, archive, '--bandwidth=100000']);
  await importing.until(({ done }) => BigInt(done) > 0n);
  expect(await stop(exporting)).toBe(0);
  const { output } = await exporting.ended;
  expect(output).toContain('The server is configured to refuse --copy-links');
  expect((await importing.ended).result).toMatchObject({
    reason: 'CopyPeerUnreachable',
    message: 'the export pod was told to end',
    retry: true,
  });
  // None of this site's processes holds the source any more.
  await run('umount', join(pair.exporter.root, 'source'));
});

test('what the storage of the source says is what the import says', async () => {
  const broken = await site.volume('ext4', 32 * mebibyte);
  // Past the page cache, which would know it even when the device does not.
  await run(
    'dd',
    'if=/dev/urandom',
    `of=${join(broken.path, 'big')}`,
    'bs=1M',
    'count=16',
    'oflag=direct',
    'conv=fsync',
  );
  const two = await makePair(site, broken, destination);
  const other = startExport(site, two, [archive], treeExporter);
  // Behind the file system's back: most of the file is not there any more.
  await truncate(broken.file, 12 * mebibyte);
  const { result } = await site.copy(two.importer, [...two.args, archive]);
  expect(result).toMatchObject({
    reason: 'CopyIOError',
    message: expect.stringMatching(/\[sender\] read errors mapping .*Input\/output error/u),
    side: 'source',
    retry: true,
  });
  expect(await stop(other)).toBe(0);
});

test('what is no tree fails the export before anybody asks', async () => {
  await run('mknod', join(source.path, 'null'), 'c', '1', '3');
  const other = await makePair(site, source, destination);
  expect(await startExport(site, other, [archive], treeExporter).ended).toMatchObject({
    code: 1,
    result: { reason: 'CopyContentInvalid', message: expect.stringContaining('"null" is a device node'), retry: false },
  });
});
