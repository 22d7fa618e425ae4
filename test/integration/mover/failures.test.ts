import { chmod, chown, mkdir, open, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loopDevices } from '../../support/cluster/remains.ts';
import { until } from '../../support/cluster/until.ts';
import { run } from '../../support/csi/command.ts';
import {
  dirty,
  mebibyte,
  openSite,
  type Pod,
  type PodSite,
  scribble,
  sha256,
  type Volume,
  writeImage,
} from '../../support/mover.ts';

/** How copies fail, of causes that are real: full file systems, devices with holes in them, users without rights, tools that lie. */

const size = 24 * mebibyte;
const kubevirt = '--content=kubevirt';
const archive = '--content=archive';

let site: PodSite;
let source: Volume;
let destination: Volume;
let pod: Pod;

beforeAll(async () => {
  site = await openSite();
  source = await site.volume('ext4', 96 * mebibyte);
  destination = await site.volume('ext4', 48 * mebibyte);
  pod = await site.pod(source, destination);
  await writeImage(join(source.path, 'disk.img'), size);
});

afterAll(async () => await site?.close());

async function tools(name: string, script: string): Promise<string> {
  const folder = join(site.folder, `tools-${name}-${script.length}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return folder;
}

describe('a full file system', () => {
  let full: Pod;

  beforeAll(async () => {
    const data = await site.volume('ext4', 96 * mebibyte);
    // More than the destination has left beside its own tables, and less than it has in all.
    const file = await open(join(data.path, 'disk.img'), 'w');
    await scribble(file, 0, 36 * mebibyte);
    await file.close();
    await writeFile(join(data.path, 'more'), Buffer.alloc(20 * mebibyte, 1));
    const small = await site.volume('ext4', 48 * mebibyte);
    await writeFile(join(small.path, 'ballast'), Buffer.alloc(8 * mebibyte, 1));
    full = await site.pod(data, small);
  });

  test.each([
    ['qemu-img', [kubevirt]],
    ['qemu-img, before anything is copied', [kubevirt, '--preallocation=true']],
    ['rsync', [archive]],
  ])('is told by %s', async (_, args) => {
    const { code, result } = await site.copy(full, args);
    expect(result).toMatchObject({
      reason: 'CopyNoSpace',
      message: expect.stringContaining('No space left'),
      retry: false,
    });
    expect(code).toBe(1);
  });

  test('is told by cp', async () => {
    await run('sh', '-c', 'rm -rf "$1"/*', 'sh', full.destination.path);
    const { result } = await site.copy(full, [archive]);
    expect(result).toMatchObject({
      reason: 'CopyNoSpace',
      message: expect.stringMatching(/^xargs said: cp: .*No space/u),
    });
  });
});

describe('storage that fails', () => {
  test('while it is read is told of with the byte where it happened', async () => {
    const broken = await site.volume('block', size);
    await dirty(broken.path, size);
    // Behind the device's back: what it is asked for from there on is not there.
    await truncate(broken.file, size / 2);
    const { result } = await site.copy(await site.pod(broken, destination), [kubevirt]);
    expect(result).toMatchObject({
      outcome: 'failed',
      reason: 'CopyIOError',
      message: expect.stringContaining('Input/output error'),
      offset: expect.stringMatching(/^\d+$/u),
      retry: true,
    });
    const offset = result.outcome === 'failed' ? Number(result.offset) : 0;
    // qemu-img reads several stretches of 2 MiB at once, and tells of the first that failed.
    expect(offset).toBeGreaterThan(size / 2 - 2 * mebibyte);
    expect(offset).toBeLessThan(size);
  });

  test("while a tree is read is told of as the source's, and what was copied is gone on with", async () => {
    const [broken, begun] = [await site.volume('ext4', 32 * mebibyte), await site.volume('ext4', 32 * mebibyte)];
    const urandom = (name: string): readonly string[] => ['if=/dev/urandom', `of=${join(broken.path, name)}`, 'bs=1M'];
    await run('dd', ...urandom('a-small'), 'count=1', 'conv=fsync');
    // Past the page cache, which would know it even when the device does not.
    await run('dd', ...urandom('big'), 'count=16', 'oflag=direct', 'conv=fsync');
    const whole = `${broken.file}.whole`;
    await run('cp', '--sparse=always', broken.file, whole);
    await truncate(broken.file, 12 * mebibyte);
    const two = await site.pod(broken, begun);
    const { result } = await site.copy(two, [archive]);
    expect(result).toMatchObject({ reason: 'CopyIOError', side: 'source', retry: true });
    expect(result).toMatchObject({ message: expect.stringMatching(/cp: error reading '.*big': Input\/output error/u) });

    await run('dd', `if=${whole}`, `of=${broken.file}`, 'bs=1M', 'conv=notrunc');
    const again = await site.copy(two, [archive, '--verify=true']);
    expect(again.result).toMatchObject({ outcome: 'succeeded' });
    expect(again.output).toContain('"resumed":true');
    await run('diff', '-r', '--exclude=lost+found', broken.path, begun.path);
  });

  test('while it is written is told of', async () => {
    const memory = join(site.folder, 'memory');
    await mkdir(memory);
    await run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', memory);
    const thin = await site.volume('block', size, 'memory/thin');
    const { result } = await site.copy(await site.pod(source, thin), [kubevirt, '--preallocation=true']);
    expect(result).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(/^Copy(?:IOError|NoSpace)$/u) });
  });
});

describe('a user without rights', () => {
  test('cannot read the source', async () => {
    await chmod(join(source.path, 'disk.img'), 0o600);
    const { code, result } = await site.start(pod, [kubevirt], { user: 107 }).ended;
    expect(result).toMatchObject({
      reason: 'CopyPermissionDenied',
      message: expect.stringMatching(/^opening .*disk\.img: Permission denied$/u),
      retry: false,
    });
    expect(code).toBe(1);
  });

  test('cannot write the destination', async () => {
    await chown(join(source.path, 'disk.img'), 107, 107);
    await rm(join(destination.path, 'disk.img'), { force: true });
    const { result } = await site.start(pod, [kubevirt], { user: 107 }).ended;
    expect(result).toMatchObject({
      reason: 'CopyPermissionDenied',
      message: expect.stringMatching(/Permission denied$/u),
    });
  });
});

describe('verification', () => {
  test('finds the first byte of a disk image that was not written as it was read', async () => {
    const real = await run('sh', '-c', 'command -v qemu-img');
    const lying = await tools(
      'qemu-img',
      `${real} "$@" || exit\n[ "$1" = convert ] && printf '\\001' | dd of=/proc/self/fd/3 bs=1 seek=1500001 conv=notrunc status=none; exit 0`,
    );
    // Where the image has zeros, so that the byte is another one for certain.
    await truncate(join(source.path, 'disk.img'), 0);
    await truncate(join(source.path, 'disk.img'), size);
    const { code, result } = await site.start(pod, [kubevirt, '--verify=true'], { tools: lying }).ended;
    expect(result).toEqual({
      outcome: 'failed',
      reason: 'CopyVerificationFailed',
      message: 'the copy differs from the source from byte 1500001 on',
      retry: true,
    });
    expect(code).toBe(1);
  });

  test.each([
    [
      'content',
      'printf X | dd of="$d/file" bs=1 seek=5 conv=notrunc status=none; touch -d @1 "$d/file"',
      'from byte 5 on',
    ],
    ['owner', 'chown 9:9 "$d/file"', 'it is "file 644 0 0 9 1 file '],
    ['time', 'touch -d @2 "$d/file"', 'the copy "file 644 0 0 9 2 file'],
    ['what is too much', ': > "$d/zzz"; touch -d @1 "$d"', '"zzz": only the copy has it'],
    ['what is missing', 'rm "$d/file"; touch -d @1 "$d"', 'the copy has nothing more'],
    ['an extended attribute', 'setfattr -n user.a -v b "$d/file"', 'rsync still finds differences: .f........x file'],
    ['an ACL', 'setfacl -m u:9:r "$d/file"; chmod 644 "$d/file"', 'rsync still finds differences'],
  ])('finds what differs in a tree: %s', async (_, change, message) => {
    const tree = await treePod();
    // `sync -f -- folder` is the last that is done before.
    const lying = await tools('sync', `d="$3"; ${change}`);
    const { result } = await site.start(tree, [archive, '--verify=true'], { tools: lying }).ended;
    expect(result).toMatchObject({
      reason: 'CopyVerificationFailed',
      message: expect.stringContaining(message),
      retry: true,
    });
  });
});

test('a device node that comes while a tree is copied is not passed over in silence', async () => {
  const tree = await treePod();
  await rm(join(tree.destination.path, 'file'), { force: true });
  const late = join(tree.source.path, 'late');
  const meanwhile = await tools('xargs', `cat > ${join(site.folder, 'names')}; mknod ${late} c 1 3`);
  const { result } = await site.start(tree, [archive], { tools: meanwhile }).ended;
  await rm(late);
  expect(result).toMatchObject({
    reason: 'CopyContentInvalid',
    message: expect.stringContaining('"late"'),
    retry: false,
  });
});

/** One small tree for all of them; what is wrong with the copy is mended by the next. */
async function treePod(): Promise<Pod> {
  treeVolumes ??= Promise.all([site.volume('ext4', 16 * mebibyte), site.volume('ext4', 16 * mebibyte)]);
  const [from, to] = await treeVolumes;
  await writeFile(join(from.path, 'file'), 'some text');
  await run('touch', '-d', '@1', join(from.path, 'file'), from.path);
  return await site.pod(from, to);
}
let treeVolumes: Promise<[Volume, Volume]> | undefined;

describe('SIGTERM', () => {
  test('ends the tool, and says so', async () => {
    const slow = await site.pod(source, destination);
    await writeImage(join(source.path, 'disk.img'), size);
    const running = site.start(slow, [kubevirt, '--bandwidth=100000']);
    await running.until(({ done }) => BigInt(done) > 0n);
    const [tool = ''] = await childrenOf(running.pid);
    expect(await run('cat', `/proc/${tool}/comm`)).toBe('qemu-img');
    process.kill(running.pid, 'SIGTERM');
    const { code, result, progress } = await running.ended;
    expect(result).toEqual({
      outcome: 'failed',
      reason: 'CopyToolFailed',
      message: 'interrupted by SIGTERM',
      retry: true,
    });
    expect(code).toBe(1);
    const done = progress.map((line) => Number(line.done));
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    await until('qemu-img to be gone', async () => !(await readdir('/proc')).includes(tool));
    // The next attempt begins anew, and does it all.
    await site.copy(slow, [kubevirt]);
    const bytes = await sha256(join(source.path, 'disk.img'), size);
    expect(await sha256(join(destination.path, 'disk.img'), size)).toBe(bytes);
  });

  test('of a tool that does not heed it, kills it', async () => {
    const deaf = await tools('qemu-img', 'trap "" TERM; printf "    (1.00/100%%)\\r"; while :; do sleep 1; done');
    const running = site.start(pod, [kubevirt], { tools: deaf });
    await running.until(({ done }) => BigInt(done) >= 0n);
    process.kill(running.pid, 'SIGTERM');
    expect((await running.ended).result).toMatchObject({ message: 'interrupted by SIGTERM' });
  });
});

async function childrenOf(pid: number): Promise<readonly string[]> {
  return (await run('cat', `/proc/${pid}/task/${pid}/children`)).split(' ');
}

describe('a tool', () => {
  test('that is not there is named', async () => {
    const empty = await site.start(pod, [kubevirt], { path: '/nowhere' }).ended;
    expect(empty.result).toMatchObject({
      reason: 'CopyToolFailed',
      message: expect.stringContaining('qemu-img'),
      retry: false,
    });
  });

  test('that the kernel kills is said to be', async () => {
    const killed = await tools('qemu-img', 'kill -9 $$');
    const { result } = await site.start(pod, [kubevirt], { tools: killed }).ended;
    expect(result).toMatchObject({ reason: 'CopyToolFailed', message: expect.stringContaining('memory'), retry: true });
  });
});

test('how far cp is, which says nothing, is known from the kernel', async () => {
  const tree = await treePod();
  await rm(join(tree.destination.path, 'file'), { force: true });
  const real = await run('sh', '-c', 'command -v cp');
  const release = join(site.folder, 'release');
  // Four of the nine bytes are written, and the rest when they were seen.
  const slow = await tools(
    'cp',
    `printf some > /dev/null\nuntil [ -e ${release} ]; do sleep 0.1; done\nexec ${real} "$@"`,
  );
  const running = site.start(tree, [archive, '--verify=true'], { tools: slow });
  // Starting it takes a byte too.
  await running.until(({ step, done }) => step === 'copying' && Number(done) >= 4 && Number(done) < 9);
  await writeFile(release, '');
  expect((await running.ended).code).toBe(0);
});

test('wrong arguments are an error of their own, in the result too', async () => {
  const { code, result } = await site.copy(pod, ['--content=disk']);
  expect(code).toBe(2);
  expect(result).toMatchObject({
    reason: 'CopyToolFailed',
    message: expect.stringContaining('--content is "disk"'),
    retry: false,
  });
});

/** Last, as nothing is left of the site. */
test('nothing is left of a device whose file lay on a mount that is gone', async () => {
  await site.close();
  // The kernel tells no more of such a file than its path within the mount.
  expect(loopDevices().filter(({ file }) => file.startsWith('/thin-'))).toEqual([]);
});
