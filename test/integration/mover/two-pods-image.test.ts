import { chown, mkdir, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../support/cluster/until.ts';
import { run } from '../../support/csi/command.ts';
import {
  dirty,
  mebibyte,
  openSite,
  type PodSite,
  type Running,
  sha256,
  type Volume,
  writeImage,
} from '../../support/mover.ts';
import { makePair, type Pair, startExport, stop } from '../../support/mover-pair.ts';

/** Disk images that one pod hands out and another one copies, by the real qemu-nbd and qemu-img. */

const size = 40 * mebibyte;
const kubevirt = '--content=kubevirt';

let site: PodSite;
let folder: Volume;
let device: Volume;
let newFolder: Volume;
let newDevice: Volume;

beforeAll(async () => {
  site = await openSite();
  [folder, device, newFolder, newDevice] = [
    await site.volume('xfs', 320 * mebibyte),
    await site.volume('block', size),
    await site.volume('ext4', 128 * mebibyte),
    await site.volume('block', size + 16 * mebibyte),
  ];
  await writeImage(device.path, size);
  await writeImage(join(folder.path, 'disk.img'), size);
});

afterAll(async () => await site?.close());

const image = ({ kind, path }: Volume): string => (kind === 'block' ? path : join(path, 'disk.img'));
const source = (kind: string): Volume => (kind === 'Block' ? device : folder);
const destination = (kind: string): Volume => (kind === 'Block' ? newDevice : newFolder);

describe.each(['Filesystem', 'Block'])('from volumeMode %s', (from) => {
  test.each(['Filesystem', 'Block'])('to %s, every byte is the same, and holes are holes', async (to) => {
    const pair = await makePair(site, source(from), destination(to));
    const exporting = startExport(site, pair, [kubevirt]);
    if (to === 'Block') await dirty(newDevice.path, size + 16 * mebibyte);
    const { code, result, progress } = await site.copy(pair.importer, [...pair.args, kubevirt, '--verify=true']);
    const digest = await sha256(image(source(from)), size);
    expect(result).toEqual({
      outcome: 'succeeded',
      bytes: String(size),
      seconds: expect.any(Number),
      digest: `sha256:${digest}`,
    });
    expect(code).toBe(0);
    expect(await sha256(image(destination(to)), size)).toBe(digest);
    expect(progress[0]).toEqual({ copy: 'progress', step: 'copying', done: '0', total: String(size), rate: 0 });
    expect(await stop(exporting)).toBe(0);
    if (to === 'Block') return;
    const made = await stat(image(newFolder));
    expect(made).toMatchObject({ size, uid: 107, gid: 107 });
    expect(made.blocks * 512).toBeLessThan(8 * mebibyte);
  });
});

test('neither pod needs more rights than KubeVirt has; an image may end within a sector, and grow', async () => {
  const odd = await site.volume('ext4', 64 * mebibyte);
  await writeImage(image(odd), 24 * mebibyte);
  await truncate(image(odd), 24 * mebibyte - 100);
  await chown(image(odd), 107, 107);
  const target = await site.volume('ext4', 64 * mebibyte);
  await run('sh', '-c', 'chown 0:107 "$1"; chmod 2775 "$1"', 'sh', target.path);
  const pair = await makePair(site, odd, target);
  const exporting = startExport(site, pair, [kubevirt], { user: 107 });
  const { result } = await site.start(
    pair.importer,
    [...pair.args, kubevirt, '--verify=true', '--preallocation=true', `--image-size=${26 * mebibyte + 1}`],
    { user: 107 },
  ).ended;
  const digest = await sha256(image(odd), 24 * mebibyte - 100);
  expect(result).toMatchObject({ bytes: String(24 * mebibyte - 100), digest: `sha256:${digest}` });
  const made = await stat(image(target));
  expect(made).toMatchObject({ size: 26 * mebibyte + 1, uid: 107, gid: 107 });
  expect(made.blocks * 512).toBeGreaterThanOrEqual(26 * mebibyte);
  expect(await sha256(image(target), 24 * mebibyte - 100)).toBe(digest);
  expect(await stop(exporting)).toBe(0);
});

describe('an export', () => {
  let pair: Pair;
  let exporting: Running;
  let importing: Running;

  /** Both at work, which will last. */
  const begin = async (args: readonly string[] = []): Promise<void> => {
    pair = await makePair(site, device, newFolder);
    exporting = startExport(site, pair, [kubevirt]);
    importing = site.start(pair.importer, [...pair.args, kubevirt, '--bandwidth=500000', ...args]);
    await importing.until(({ done }) => BigInt(done) > 0n);
  };

  const toolOf = async ({ pid }: Running): Promise<number> =>
    Number((await run('cat', `/proc/${pid}/task/${pid}/children`)).split(' ')[0]);

  test('that is killed ends the import, which says so', async () => {
    await begin();
    const tool = await toolOf(exporting);
    process.kill(exporting.pid, 'SIGKILL');
    expect(await importing.ended).toMatchObject({
      code: 1,
      result: { reason: 'CopyPeerUnreachable', message: expect.stringContaining(pair.address), retry: true },
    });
    expect((await exporting.ended).code).toBeNull();
    // In a pod, nothing outlives its first process.
    process.kill(tool, 'SIGKILL');
  });

  test('whose qemu-nbd is killed fails by that, and so does the import', async () => {
    await begin();
    process.kill(await toolOf(exporting), 'SIGKILL');
    const result = {
      outcome: 'failed',
      reason: 'CopyToolFailed',
      message: expect.stringContaining('qemu-nbd was ended by SIGKILL, as the kernel does'),
      retry: true,
    };
    expect(await exporting.ended).toMatchObject({ code: 1, result });
    expect(await importing.ended).toMatchObject({ code: 1, result });
  });

  test('whose qemu-nbd is gone is asked why, when qemu-img saw no more than that it cannot read', async () => {
    const two = await makePair(site, device, newFolder);
    const other = startExport(site, two, [kubevirt]);
    const tools = join(site.folder, 'blaming');
    await mkdir(tools);
    const words = 'qemu-img: error while reading at byte 0: Input/output error';
    const script = `#!/bin/sh\nread tool rest < /proc/${other.pid}/task/${other.pid}/children\nkill -9 $tool\necho "${words}" >&2\nexit 1\n`;
    await writeFile(join(tools, 'qemu-img'), script, { mode: 0o755 });
    const { result } = await site.start(two.importer, [...two.args, kubevirt], { tools }).ended;
    expect(result).toMatchObject({ reason: 'CopyToolFailed', message: expect.stringContaining('qemu-nbd was ended') });
    expect((await other.ended).code).toBe(1);
  });

  test('that is told to end leaves nothing, has no result, and tells the import', async () => {
    await begin();
    const tool = await toolOf(exporting);
    expect(await stop(exporting)).toBe(0);
    expect((await exporting.ended).result).toBeNull();
    await until('qemu-nbd to be gone', async () => !(await readdir('/proc')).includes(String(tool)));
    expect((await importing.ended).result).toEqual({
      outcome: 'failed',
      reason: 'CopyPeerUnreachable',
      message: 'the export pod was told to end',
      retry: true,
    });
  });

  test('outlives imports that are ended or killed, and serves the next', async () => {
    await begin();
    const tool = await toolOf(importing);
    expect(await stop(importing)).toBe(1);
    expect((await importing.ended).result).toMatchObject({ message: 'interrupted by SIGTERM', retry: true });
    await until('qemu-img to be gone', async () => !(await readdir('/proc')).includes(String(tool)));

    const second = site.start(pair.importer, [...pair.args, kubevirt, '--bandwidth=500000']);
    await second.until(({ done }) => BigInt(done) > 0n);
    const left = await toolOf(second);
    process.kill(second.pid, 'SIGKILL');
    process.kill(left, 'SIGKILL');
    await second.ended;

    const { result } = await site.copy(pair.importer, [...pair.args, kubevirt, '--verify=true']);
    expect(result).toMatchObject({ digest: `sha256:${await sha256(device.path, size)}` });
    expect(await stop(exporting)).toBe(0);
  });
});

test('what the storage of the source says is what the import says', async () => {
  const broken = await site.volume('block', size);
  await dirty(broken.path, size);
  const pair = await makePair(site, broken, newFolder);
  const exporting = startExport(site, pair, [kubevirt]);
  await truncate(broken.file, size / 2);
  const { result } = await site.copy(pair.importer, [...pair.args, kubevirt]);
  expect(result).toMatchObject({
    reason: 'CopyIOError',
    message: expect.stringContaining('Input/output error'),
    offset: expect.stringMatching(/^\d+$/u),
    retry: true,
  });
  expect(await stop(exporting)).toBe(0);
});

test('verification finds where an image was not written as it was read', async () => {
  const real = await run('sh', '-c', 'command -v qemu-img');
  const tools = join(site.folder, 'lying');
  await mkdir(tools);
  const lie = `printf '\\001' | dd of=/proc/self/fd/3 bs=1 seek=${18 * mebibyte} conv=notrunc status=none`;
  const script = `#!/bin/sh\n${real} "$@" || exit\n[ "$1" = convert ] && ${lie}; exit 0\n`;
  await writeFile(join(tools, 'qemu-img'), script, { mode: 0o755 });
  // Where the image has zeros.
  const zeros = await site.volume('block', size);
  const pair = await makePair(site, zeros, newFolder);
  const exporting = startExport(site, pair, [kubevirt]);
  const { result } = await site.start(pair.importer, [...pair.args, kubevirt, '--verify=true'], { tools }).ended;
  expect(result).toEqual({
    outcome: 'failed',
    reason: 'CopyVerificationFailed',
    message: `the copy differs from the source between bytes ${16 * mebibyte} and ${32 * mebibyte}`,
    retry: true,
  });
  expect(await stop(exporting)).toBe(0);
});

test('a source without an image fails the export before anybody asks', async () => {
  const empty = await site.volume('ext4', 16 * mebibyte);
  const exporting = startExport(site, await makePair(site, empty, newFolder), [kubevirt]);
  expect(await exporting.ended).toMatchObject({
    code: 1,
    result: { reason: 'CopyContentInvalid', message: expect.stringContaining('there is no '), retry: false },
  });
});
