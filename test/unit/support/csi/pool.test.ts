import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { FakeClock } from '../../../support/clock.ts';
import { snapshotFile, snapshotsFolder, volumeFile, volumesFolder } from '../../../support/csi/layout.ts';
import { openPool, type PoolOptions } from '../../../support/csi/pool.ts';
import { MIN_BYTES } from '../../../support/csi/sizes.ts';
import { temporaryFolder } from './temp.ts';

const SIZE = 2 * MIN_BYTES;
const of = (bytes: number, limit = 0) => ({ requiredBytes: String(bytes), limitBytes: String(limit) });
const from = (volumeId: string) => ({ volume: { volumeId } });
const restore = (snapshotId: string) => ({ snapshot: { snapshotId } });
const failure = (code: status, message = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

async function setUp(options: Partial<PoolOptions> = {}) {
  const folder = await temporaryFolder();
  const clock = new FakeClock();
  const pool = await openPool(folder, { clock, copy: copyFile, inUse: async () => false, ...options });
  return { folder, clock, pool };
}

test('a new volume is an empty sparse file of its size, under its name', async () => {
  const { folder, pool } = await setUp();
  expect(await pool.createVolume('pvc-1', of(SIZE), null)).toEqual({ id: 'pvc-1', capacityBytes: SIZE, source: null });
  const { size, blocks } = await stat(volumeFile(folder, 'pvc-1'));
  expect({ size, blocks }).toEqual({ size: SIZE, blocks: 0 });
});

test('creating again with the same wish answers with the volume that is there', async () => {
  const { folder, pool } = await setUp();
  const first = await pool.createVolume('pvc-1', of(SIZE), null);
  await writeFile(volumeFile(folder, 'pvc-1'), 'precious');
  expect(await pool.createVolume('pvc-1', of(SIZE), null)).toEqual(first);
  expect(await readFile(volumeFile(folder, 'pvc-1'), 'utf8')).toBe('precious');
});

test('two requests for one volume at the same moment make it once', async () => {
  let copies = 0;
  const copy = async (source: string, target: string) => {
    copies += 1;
    await copyFile(source, target);
  };
  const { pool } = await setUp({ copy });
  await pool.createVolume('source', of(SIZE), null);
  const create = () => pool.createVolume('clone', of(SIZE), from('source'));
  const [one, other] = await Promise.all([create(), create()]);
  expect(one).toEqual(other);
  expect(copies).toBe(1);
});

test.each([
  ['larger', of(2 * SIZE)],
  ['smaller', of(MIN_BYTES, MIN_BYTES)],
])('the same name with a %s size is refused', async (_, range) => {
  const { pool } = await setUp();
  await pool.createVolume('pvc-1', of(SIZE), null);
  await expect(pool.createVolume('pvc-1', range, null)).rejects.toEqual(
    failure(status.ALREADY_EXISTS, /2097152 bytes/),
  );
});

test('the same name with another content source is refused', async () => {
  const { pool } = await setUp();
  await pool.createVolume('a', of(SIZE), null);
  await pool.createVolume('b', of(SIZE), null);
  await pool.createVolume('clone', of(SIZE), from('a'));
  for (const source of [from('b'), restore('a'), null]) {
    await expect(pool.createVolume('clone', of(SIZE), source)).rejects.toEqual(
      failure(status.ALREADY_EXISTS, /source/),
    );
  }
});

test('a clone has the bytes of its source and may be larger', async () => {
  const { folder, pool } = await setUp();
  await pool.createVolume('source', of(SIZE), null);
  await writeFile(volumeFile(folder, 'source'), Buffer.alloc(SIZE, 'x'));
  const clone = await pool.createVolume('clone', of(2 * SIZE), from('source'));
  expect(clone).toEqual({ id: 'clone', capacityBytes: 2 * SIZE, source: from('source') });
  const bytes = await readFile(volumeFile(folder, 'clone'));
  expect(bytes.equals(Buffer.concat([Buffer.alloc(SIZE, 'x'), Buffer.alloc(SIZE)]))).toBe(true);
});

test('a clone that is asked to be smaller than its source is refused, and without a wish gets its size', async () => {
  const { pool } = await setUp();
  await pool.createVolume('source', of(SIZE), null);
  const small = pool.createVolume('small', of(MIN_BYTES), from('source'));
  await expect(small).rejects.toEqual(failure(status.OUT_OF_RANGE, /1048576.*2097152/));
  expect(await pool.createVolume('same', null, from('source'))).toMatchObject({ capacityBytes: SIZE });
});

test.each([
  ['volume', from('nothing')],
  ['volume with a path for an id', from('../volumes/source')],
  ['snapshot', restore('nothing')],
])('cloning a missing %s is refused and leaves nothing', async (_, source) => {
  const { folder, pool } = await setUp();
  await pool.createVolume('source', of(SIZE), null);
  await expect(pool.createVolume('clone', of(SIZE), source)).rejects.toEqual(failure(status.NOT_FOUND));
  expect((await readdir(volumesFolder(folder))).toSorted()).toEqual(['source', 'source.json']);
});

test('a clone whose copying fails leaves nothing, and the next try succeeds', async () => {
  let full = true;
  const copy = async (source: string, target: string) => {
    await writeFile(target, 'half');
    if (full) throw new Error('disk full');
    await copyFile(source, target);
  };
  const { folder, pool } = await setUp({ copy });
  await pool.createVolume('source', of(SIZE), null);
  await expect(pool.createVolume('clone', of(SIZE), from('source'))).rejects.toThrow('disk full');
  expect(await readdir(volumesFolder(folder))).not.toContain('clone');
  full = false;
  expect(await pool.createVolume('clone', of(SIZE), from('source'))).toMatchObject({ id: 'clone' });
});

test('a name that is no file name gets an id of its own, and no file outside the pool', async () => {
  const { folder, pool } = await setUp();
  const names = ['../../escape', '.', 'x'.repeat(300), 'a.json', 'ü'];
  const ids = await Promise.all(names.map(async (name) => (await pool.createVolume(name, of(SIZE), null)).id));
  expect(new Set(ids).size).toBe(names.length);
  expect((await readdir(volumesFolder(folder))).toSorted()).toEqual(ids.flatMap((id) => [id, `${id}.json`]).toSorted());
  expect(await readdir(folder)).toHaveLength(2);
});

test('a volume grows in place and never shrinks', async () => {
  const { folder, pool } = await setUp();
  await pool.createVolume('pvc-1', of(SIZE), null);
  expect(await pool.growVolume('pvc-1', of(2 * SIZE))).toMatchObject({ capacityBytes: 2 * SIZE });
  expect(await pool.growVolume('pvc-1', of(SIZE))).toMatchObject({ capacityBytes: 2 * SIZE });
  expect(await pool.volume('pvc-1')).toMatchObject({ capacityBytes: 2 * SIZE });
  expect((await stat(volumeFile(folder, 'pvc-1'))).size).toBe(2 * SIZE);
  const limited = pool.growVolume('pvc-1', of(0, SIZE));
  await expect(limited).rejects.toEqual(failure(status.OUT_OF_RANGE));
  await expect(pool.growVolume('nothing', of(SIZE))).rejects.toEqual(failure(status.NOT_FOUND));
});

test('a volume that a node holds is not deleted', async () => {
  let inUse = true;
  const { folder, pool } = await setUp({ inUse: async () => inUse });
  await pool.createVolume('pvc-1', of(SIZE), null);
  await expect(pool.deleteVolume('pvc-1')).rejects.toEqual(failure(status.FAILED_PRECONDITION, /staged/));
  inUse = false;
  await pool.deleteVolume('pvc-1');
  expect(await readdir(volumesFolder(folder))).toEqual([]);
});

test('deleting what is not there is no error, and a path for an id deletes nothing', async () => {
  const { folder, pool } = await setUp();
  await mkdir(join(folder, 'victim'));
  await writeFile(join(folder, 'victim/file'), '');
  for (const id of ['nothing', '../victim/file', '']) {
    await pool.deleteVolume(id);
    await pool.deleteSnapshot(id);
  }
  expect(await readdir(join(folder, 'victim'))).toEqual(['file']);
});

test('a snapshot keeps the bytes of its moment, also when the volume is gone', async () => {
  const { folder, clock, pool } = await setUp();
  await pool.createVolume('source', of(SIZE), null);
  await writeFile(volumeFile(folder, 'source'), Buffer.alloc(SIZE, 'old'));
  const snapshot = await pool.createSnapshot('snap', 'source');
  expect(snapshot).toEqual({ id: 'snap', sourceVolumeId: 'source', sizeBytes: SIZE, createdAt: clock.now() });
  await writeFile(volumeFile(folder, 'source'), Buffer.alloc(SIZE, 'new'));
  await pool.deleteVolume('source');

  const restored = await pool.createVolume('restored', of(SIZE), restore('snap'));
  expect((await readFile(volumeFile(folder, restored.id))).equals(Buffer.alloc(SIZE, 'old'))).toBe(true);
});

test('asking for a snapshot again does not take a second one', async () => {
  const { folder, clock, pool } = await setUp();
  await pool.createVolume('source', of(SIZE), null);
  await pool.createVolume('other', of(SIZE), null);
  await writeFile(volumeFile(folder, 'source'), Buffer.alloc(SIZE, 'old'));
  const first = await pool.createSnapshot('snap', 'source');
  await writeFile(volumeFile(folder, 'source'), Buffer.alloc(SIZE, 'new'));
  await clock.advance(1000);
  expect(await pool.createSnapshot('snap', 'source')).toEqual(first);
  expect((await readFile(snapshotFile(folder, 'snap'))).equals(Buffer.alloc(SIZE, 'old'))).toBe(true);
  await expect(pool.createSnapshot('snap', 'other')).rejects.toEqual(failure(status.ALREADY_EXISTS, /source/));
  await expect(pool.createSnapshot('new', 'nothing')).rejects.toEqual(failure(status.NOT_FOUND));
  expect((await readdir(snapshotsFolder(folder))).toSorted()).toEqual(['snap', 'snap.json']);
});

test('two operations on one volume run one after the other', async () => {
  const events: string[] = [];
  const gate = Promise.withResolvers<void>();
  const copy = async (source: string, target: string) => {
    events.push('copying');
    await gate.promise;
    await copyFile(source, target);
    events.push('copied');
  };
  const { pool } = await setUp({ copy });
  await pool.createVolume('source', of(SIZE), null);
  const cloning = pool.createVolume('clone', of(SIZE), from('source'));
  const deleting = pool.deleteVolume('source').then(() => events.push('deleted'));
  gate.resolve();
  await Promise.all([cloning, deleting]);
  expect(events).toEqual(['copying', 'copied', 'deleted']);
});
