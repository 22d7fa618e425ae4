import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, link, mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../../support/csi/command.ts';
import { mebibyte, openSite, type Pod, type PodSite, type Volume } from '../../support/mover.ts';
import { blocksOf, plant, portrait } from './trees.ts';

/** Trees between real file systems, copied by the real cp and rsync. */

let site: PodSite;
let source: Volume;
let destination: Volume;
let pod: Pod;

const archive = '--content=archive';
/** Bytes of the planted files, each once. */
const planted = String(15 + 3_000_001 + 4 + 1 + 64 * mebibyte + 65_536);

async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder, 'buffer'))
    await rm(Buffer.concat([Buffer.from(`${folder}/`), name]), { recursive: true, force: true });
}

beforeAll(async () => {
  site = await openSite();
  source = await site.volume('ext4', 128 * mebibyte);
  destination = await site.volume('xfs', 320 * mebibyte);
  pod = await site.pod(source, destination);
});

beforeEach(async () => {
  await empty(source.path);
  await empty(destination.path);
  await plant(source.path);
});

afterAll(async () => await site?.close());

describe('a tree', () => {
  test.each([
    ['at once', []],
    ['with a limit', ['--bandwidth=1000000000']],
    ['with every block allocated', ['--preallocation=true']],
  ])('is the same afterwards, copied %s', async (_, args) => {
    const { code, result } = await site.copy(pod, [archive, '--verify=true', ...args]);
    expect(result).toEqual({
      outcome: 'succeeded',
      bytes: planted,
      seconds: expect.any(Number),
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/u),
    });
    expect(code).toBe(0);
    expect(await portrait(destination.path)).toBe(await portrait(source.path));
    const holes = await blocksOf(join(destination.path, 'holes'));
    if (args[0] === '--preallocation=true') expect(holes).toBeGreaterThanOrEqual((64 * mebibyte) / 512);
    else expect(holes).toBeLessThan(1024);
  });

  test('keeps extended attributes, file capabilities and both kinds of ACLs', async () => {
    expect((await site.copy(pod, [archive])).code).toBe(0);
    const found = await portrait(destination.path);
    for (const one of [
      /^user\.note=0x776974682.*$/mu,
      /^user\.folder=0x66$/mu,
      /^security\.capability=0x0100000200040000000000000000000000000000$/mu,
      /^user:4321:rw-$/mu,
      /^default:group:99:r-x$/mu,
    ])
      expect(found).toMatch(one);
  });

  test('is the same on a file system without a file of its own', async () => {
    await empty(source.path);
    expect((await site.copy(pod, [archive, '--verify=true'])).result).toMatchObject({
      outcome: 'succeeded',
      bytes: '0',
    });
    expect(await portrait(destination.path)).toBe(await portrait(source.path));
  });

  test('has the digest that docs/reference.md describes', async () => {
    await empty(source.path);
    const planting =
      'cd "$1"; mkdir a; printf x > a/two; ln a/two a-b; ln -s target a/l; chmod 640 a/two; chown 7:8 a/two; chmod 755 a .';
    await run('sh', '-ec', `${planting}; touch -h -d @1000000000.7 a/two a/l a .`, 'sh', source.path);
    const records = [
      ['folder', '755', 0, 0, 0, 1_000_000_000, '', '', ''],
      ['folder', '755', 0, 0, 0, 1_000_000_000, 'a', '', ''],
      ['symlink', '777', 0, 0, 0, 1_000_000_000, 'a/l', 'target', ''],
      ['file', '640', 7, 8, 1, 1_000_000_000, 'a/two', '', createHash('sha256').update('x').digest('hex')],
      ['link', '640', 7, 8, 1, 1_000_000_000, 'a-b', 'a/two', ''],
    ];
    const text = records.map((fields) => `${fields.map((field) => `${field}\0`).join('')}\n`).join('');
    expect((await site.copy(pod, [archive, '--verify=true'])).result).toMatchObject({
      digest: `sha256:${createHash('sha256').update(text).digest('hex')}`,
    });
  });

  test('has a digest that tells of owner, mode, time, name and content, and not of the storage', async () => {
    const digest = async (): Promise<string> => {
      const { result } = await site.copy(pod, [archive, '--verify=true']);
      return result.outcome === 'succeeded' ? (result.digest ?? '') : result.message;
    };
    const first = await digest();
    expect(await digest()).toBe(first);
    const changes = [
      async () => await chmod(join(source.path, 'empty'), 0o1),
      async () => await chown(join(source.path, 'empty'), 1, 0),
      async () => await utimes(join(source.path, 'empty'), 1, 1),
      async () => await run('mv', '-T', join(source.path, 'empty'), join(source.path, 'Empty')),
      async () => await run('ln', '-sfn', '/etc/passwd', join(source.path, 'absolute')),
      async () =>
        await run(
          'sh',
          '-c',
          'printf Data | dd of="$1" bs=1 seek=20000000 conv=notrunc status=none; touch -d @0 "$1"',
          'sh',
          join(source.path, 'holes'),
        ),
    ];
    const seen = [first];
    for (const change of changes) {
      await change();
      seen.push(await digest());
    }
    expect(new Set(seen).size).toBe(changes.length + 1);
    expect(seen.every((one) => one.startsWith('sha256:'))).toBe(true);
  });
});

describe('what an earlier attempt has left', () => {
  test('is read again: also what has the right size and time', async () => {
    expect((await site.copy(pod, [archive])).code).toBe(0);
    const big = join(destination.path, 'a/deep/big');
    await run(
      'sh',
      '-ec',
      'cp -p "$1" "$1.time"; printf Z | dd of="$1" bs=1 seek=7 conv=notrunc status=none; touch -r "$1.time" "$1"; rm "$1.time"; mkdir "$2/more"; : > "$2/more/file"; rm "$2/pipe"; mkdir "$2/pipe"',
      'sh',
      big,
      destination.path,
    );
    expect((await site.copy(pod, [archive, '--verify=true'])).result).toMatchObject({ outcome: 'succeeded' });
    expect(await portrait(destination.path)).toBe(await portrait(source.path));
  });

  test('of a copy that was interrupted is gone on with', async () => {
    const running = site.start(pod, [archive, '--bandwidth=500000']);
    await running.until(({ done }) => BigInt(done) > 0n);
    process.kill(running.pid, 'SIGTERM');
    expect(await running.ended).toMatchObject({
      code: 1,
      result: { outcome: 'failed', reason: 'CopyToolFailed', message: 'interrupted by SIGTERM', retry: true },
    });
    expect((await site.copy(pod, [archive, '--verify=true'])).result).toMatchObject({ outcome: 'succeeded' });
    expect(await portrait(destination.path)).toBe(await portrait(source.path));
  });
});

describe('what is no tree', () => {
  const kinds: readonly (readonly [string, string, (folder: string) => Promise<unknown>])[] = [
    [
      'a device node',
      '"a/deep/null" is a device node',
      async (folder) => await run('mknod', `${folder}/a/deep/null`, 'c', '1', '3'),
    ],
    ['a socket', '"socket" is a socket', async (folder) => await leaveSocket(join(folder, 'socket'))],
  ];

  test.each(kinds)('is refused before anything is written: %s', async (_, message, make) => {
    await make(source.path);
    const { code, result } = await site.copy(pod, [archive]);
    expect(result).toEqual({
      outcome: 'failed',
      reason: 'CopyContentInvalid',
      message: expect.stringContaining(message),
      retry: false,
    });
    expect(code).toBe(1);
    expect(await readdir(destination.path)).toEqual([]);
  });
});

/** As a server that was killed does: one that ends well takes its socket away, but not another name of it. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.live`);
  await once(server, 'listening');
  await link(`${path}.live`, path);
  server.close();
  await once(server, 'close');
}

describe('a user who is not root', () => {
  test('copies what is all its own, the folders of the volumes too', async () => {
    await empty(source.path);
    await writeFile(join(source.path, 'mine'), 'mine');
    await mkdir(join(source.path, 'folder'));
    for (const path of ['mine', 'folder', '.']) await chown(join(source.path, path), 107, 107);
    await run('setfattr', '-n', 'user.note', '-v', 'n', join(source.path, 'mine'));
    await chown(destination.path, 107, 107);
    const { code } = await site.start(pod, [archive, '--verify=true'], { user: 107 }).ended;
    expect(code).toBe(0);
    expect(await portrait(destination.path)).toBe(await portrait(source.path));
    await chown(destination.path, 0, 0);
    await chown(source.path, 0, 0);
  });

  test('is told at once that it cannot give files away', async () => {
    await run('chmod', '-R', 'a+rX', source.path);
    const { result } = await site.start(pod, [archive], { user: 107 }).ended;
    expect(result).toMatchObject({
      reason: 'CopyPermissionDenied',
      message: expect.stringMatching(/belongs to user 0, and this runs as user 107.*only root/u),
      retry: false,
    });
    expect((await stat(destination.path)).uid).toBe(0);
  });
});
