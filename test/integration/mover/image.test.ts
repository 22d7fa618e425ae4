import { chmod, chown, lstat, mkdir, open, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../../support/csi/command.ts';
import {
  dirty,
  mebibyte,
  openSite,
  type Pod,
  type PodSite,
  sha256,
  type Volume,
  writeImage,
} from '../../support/mover.ts';

/** Disk images between real file systems and devices, copied by the real qemu-img. */

const size = 24 * mebibyte;

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
});

beforeEach(async () => {
  await rm(join(folder.path, 'disk.img'), { recursive: true, force: true });
  await writeImage(join(folder.path, 'disk.img'), size);
  await rm(join(newFolder.path, 'disk.img'), { force: true });
});

afterAll(async () => await site?.close());

const image = ({ kind, path }: Volume): string => (kind === 'block' ? path : join(path, 'disk.img'));
const kubevirt = '--content=kubevirt';
const source = (kind: string): Volume => (kind === 'Block' ? device : folder);
const destination = (kind: string): Volume => (kind === 'Block' ? newDevice : newFolder);

async function podOf(from: Volume, to: Volume): Promise<Pod> {
  return await site.pod(from, to);
}

/** Pages of a file that the kernel keeps in memory. */
async function cachedPages(path: string): Promise<number> {
  return Number(await run('fincore', '--noheadings', '--output', 'PAGES', path));
}

describe.each(['Filesystem', 'Block'])('from volumeMode %s', (from) => {
  describe.each(['Filesystem', 'Block'])('to %s', (to) => {
    test.each([false, true])('every byte is the same, with preallocation: %s', async (preallocation) => {
      if (to === 'Block') await dirty(newDevice.path, size + 16 * mebibyte);
      const pod = await podOf(source(from), destination(to));
      const { code, result, progress } = await site.copy(pod, [
        kubevirt,
        '--verify=true',
        `--preallocation=${preallocation}`,
      ]);
      if (to === 'Filesystem') expect(await cachedPages(image(newFolder))).toBe(0);
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
      if (to === 'Block') return;
      const made = await stat(image(newFolder));
      expect(made).toMatchObject({ size, uid: 107, gid: 107 });
      expect(made.mode & 0o7777).toBe(0o660);
      if (preallocation) expect(made.blocks * 512).toBeGreaterThanOrEqual(size);
      else expect(made.blocks * 512).toBeLessThan(8 * mebibyte);
    });
  });
});

describe('a new disk.img', () => {
  test('is as large as asked for, and zeros follow', async () => {
    const pod = await podOf(device, newFolder);
    const { result } = await site.copy(pod, [kubevirt, `--image-size=${size + 4097}`, '--verify=true']);
    const digest = await sha256(device.path, size);
    expect(result).toMatchObject({ outcome: 'succeeded', bytes: String(size), digest: `sha256:${digest}` });
    expect((await stat(image(newFolder))).size).toBe(size + 4097);
    await truncate(image(newFolder), size);
    expect(await sha256(image(newFolder), size)).toBe(digest);
  });

  test('has exactly the bytes of one that ends within a sector', async () => {
    await truncate(image(folder), size - 100);
    const { result } = await site.copy(await podOf(folder, newFolder), [kubevirt, '--verify=true']);
    const digest = await sha256(image(folder), size);
    expect(result).toMatchObject({ outcome: 'succeeded', digest: `sha256:${digest}` });
    expect((await stat(image(newFolder))).size).toBe(size - 100);
    expect(await sha256(image(newFolder), size)).toBe(digest);
  });

  test('takes the place of what an earlier attempt has left, also of a link', async () => {
    const elsewhere = join(site.folder, 'elsewhere');
    await writeFile(elsewhere, 'precious');
    await symlink(elsewhere, image(newFolder));
    expect((await site.copy(await podOf(device, newFolder), [kubevirt])).code).toBe(0);
    expect((await lstat(image(newFolder))).isFile()).toBe(true);
    expect((await stat(elsewhere)).size).toBe(8);
  });

  test('belongs to whom the program runs as where that is not root', async () => {
    await chown(image(folder), 107, 107);
    await chown(newFolder.path, 0, 107);
    await chmod(newFolder.path, 0o2775);
    const { code } = await site.start(await podOf(folder, newFolder), [kubevirt, '--verify=true'], { user: 107 }).ended;
    expect(code).toBe(0);
    expect(await stat(image(newFolder))).toMatchObject({ uid: 107, gid: 107, size });
    await chown(newFolder.path, 0, 0);
    await chmod(newFolder.path, 0o755);
  });
});

test('a header that a guest has written is bytes like others: no file that it names is opened', async () => {
  const secret = join(site.folder, 'secret');
  await writeFile(secret, 'not for guests'.repeat(10_000));
  const qcow = join(site.folder, 'guest.qcow2');
  await run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', secret, qcow, String(size));
  await rename(image(folder), `${image(folder)}.old`).then(() => rm(`${image(folder)}.old`));
  await run('cp', qcow, image(folder));
  const bytes = (await stat(qcow)).size;
  expect((await site.copy(await podOf(folder, newFolder), [kubevirt, '--verify=true'])).result).toMatchObject({
    outcome: 'succeeded',
    bytes: String(bytes),
  });
  await run('cmp', qcow, image(newFolder));
  await run('rm', '-f', secret, qcow);
});

describe('what is not a disk image is refused:', () => {
  const kinds: readonly (readonly [string, string, (path: string) => Promise<unknown>])[] = [
    ['nothing', 'there is no ', async () => undefined],
    [
      'a link to a file of the node',
      'is a symbolic link, not a regular',
      async (path) => await symlink('/etc/shadow', path),
    ],
    ['a fifo, which is not waited for', 'fifo', async (path) => await run('mkfifo', path)],
    ['a folder', 'is a folder, not', async (path) => await mkdir(path)],
    ['a device node', 'is a block device, not', async (path) => await run('cp', '-a', device.path, path)],
    ['an empty file', 'empty', async (path) => await writeFile(path, '')],
  ];

  test.each(kinds)('%s', async (_, message, make) => {
    await rm(image(folder));
    await make(image(folder));
    const { code, result } = await site.copy(await podOf(folder, newFolder), [kubevirt]);
    expect(result).toEqual({
      outcome: 'failed',
      reason: 'CopyContentInvalid',
      message: expect.stringContaining(message),
      retry: false,
    });
    expect(code).toBe(1);
  });
});

describe('a destination that is too small', () => {
  test('by one byte of a file system is refused before anything is written', async () => {
    await truncate(image(folder), 2 ** 40 + 1);
    const { result } = await site.copy(await podOf(folder, newFolder), [kubevirt]);
    expect(result).toMatchObject({
      reason: 'CopyTargetTooSmall',
      message: expect.stringContaining('the disk image has 1099511627777 bytes'),
      retry: false,
    });
    await expect(stat(image(newFolder))).rejects.toThrow('ENOENT');
  });

  test('by one sector of a device keeps what it holds', async () => {
    await truncate(image(folder), size + 16 * mebibyte + 512);
    await dirty(newDevice.path, mebibyte);
    const { result } = await site.copy(await podOf(folder, newDevice), [kubevirt]);
    expect(result).toMatchObject({
      reason: 'CopyTargetTooSmall',
      message: `the disk image has ${size + 16 * mebibyte + 512} bytes and the device of the destination only ${size + 16 * mebibyte}`,
    });
    const file = await open(newDevice.path);
    const { buffer } = await file.read(Buffer.alloc(512), 0, 512, 0);
    await file.close();
    expect(buffer.equals(Buffer.alloc(512, 0xaa))).toBe(true);
  });
});
