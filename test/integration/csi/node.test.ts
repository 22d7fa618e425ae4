import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { mkdir, open, readFile, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../support/csi/command.ts';
import { type Driver, openWorkshop, startDriver, type Workshop } from '../../support/csi/harness.ts';
import { deviceFile, volumeFile } from '../../support/csi/layout.ts';
import { loopsOfVolume } from '../../support/csi/loops.ts';
import { isMounted } from '../../support/csi/mounttable.ts';
import { blockCapability, expectation, mountCapability } from './requests.ts';

const MIB = 1024 ** 2;
const SIZE = 320 * MIB;
const isRoot = process.getuid?.() === 0;
const hasXfs = (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, 'mkfs.xfs')));

let workshop: Workshop;
let driver: Driver;

beforeAll(async () => {
  workshop = await openWorkshop((line) => console.warn(line));
  driver = await startDriver(workshop, { name: 'node' });
  await mkdir(join(workshop.folder, 'staging'));
});

afterAll(async () => {
  driver?.client.close();
  await workshop?.close();
});

const controller = (method: string, request: object) => driver.client.call('Controller', method, request);
const node = <Answer = object>(method: string, request: object) => driver.client.call<Answer>('Node', method, request);
const staging = (volumeId: string) => join(workshop.folder, 'staging', volumeId);
const target = (volumeId: string) => join(workshop.folder, `target-${volumeId}`);
const xfsCapability = { ...mountCapability, mount: { fsType: 'xfs' } };
const ext4 = [['ext4', mountCapability]] as const;
const xfs = [['xfs', xfsCapability]] as const;

async function createVolume(name: string, bytes: number, volumeContentSource?: object): Promise<void> {
  const capacityRange = { requiredBytes: String(bytes) };
  const source = volumeContentSource === undefined ? {} : { volumeContentSource };
  await controller('CreateVolume', { name, capacityRange, volumeCapabilities: [mountCapability], ...source });
}

async function publish(volumeId: string, volumeCapability: object, readonly = false): Promise<string> {
  const request = { volumeId, stagingTargetPath: staging(volumeId), volumeCapability };
  await node('NodeStageVolume', request);
  await node('NodePublishVolume', { ...request, targetPath: target(volumeId), readonly });
  return target(volumeId);
}

async function retract(volumeId: string): Promise<void> {
  await node('NodeUnpublishVolume', { volumeId, targetPath: target(volumeId) });
  await node('NodeUnstageVolume', { volumeId, stagingTargetPath: staging(volumeId) });
}

// What mounts needs root. Elsewhere the one thing to be shown is that the driver says so instead of pretending.
if (!isRoot) console.warn('the node service is NOT tested here, as only root can mount');
else if (!hasXfs) console.warn('XFS volumes are NOT tested here, as there is no mkfs.xfs (package xfsprogs)');

describe('the node service', () => {
  if (!isRoot) plainTests();
  else {
    rootTests();
    if (hasXfs) xfsTests();
    else noXfsTests();
  }
});

function plainTests(): void {
  test('staging fails with what the machine refused', async () => {
    await createVolume('unprivileged', SIZE);
    const request = { volumeId: 'unprivileged', stagingTargetPath: staging('unprivileged') };
    const stage = node('NodeStageVolume', { ...request, volumeCapability: mountCapability });
    await expect(stage).rejects.toEqual(expectation(status.INTERNAL, /losetup/));
  });
}

function rootTests(): void {
  test.each(hasXfs ? [...ext4, ...xfs] : ext4)(
    'a clone of a mounted %s has its files, is mounted beside it, and is as large as was asked',
    async (fsType, capability) => {
      const [source, clone] = [`${fsType}-source`, `${fsType}-clone`];
      await createVolume(source, SIZE);
      const content = randomBytes(MIB);
      await writeFile(join(await publish(source, capability), 'file'), content);
      await createVolume(clone, 2 * SIZE, { volume: { volumeId: source } });
      const mounted = await publish(clone, capability);
      expect((await readFile(join(mounted, 'file'))).equals(content)).toBe(true);
      const { blocks, bsize } = await statfs(mounted);
      expect(blocks * bsize).toBeGreaterThan(1.5 * SIZE);
      // The source was frozen for the clone and must be writable again.
      await writeFile(join(target(source), 'later'), content);
      await Promise.all([retract(source), retract(clone)]);
    },
  );

  test('a clone of a block volume has what was written to the device, flushed or not', async () => {
    await createVolume('block', SIZE);
    const device = await open(await publish('block', blockCapability), 'r+');
    const content = randomBytes(MIB);
    await device.write(content, 0, MIB, 0);
    await createVolume('block-clone', SIZE, { volume: { volumeId: 'block' } });
    await device.close();
    const clone = await readFile(volumeFile(driver.pool, 'block-clone'));
    expect(clone.subarray(0, MIB).equals(content)).toBe(true);
    await retract('block');
  });

  test('a published block volume grows without the node', async () => {
    await createVolume('growing', SIZE);
    const device = await publish('growing', blockCapability);
    await controller('ControllerExpandVolume', {
      volumeId: 'growing',
      capacityRange: { requiredBytes: String(2 * SIZE) },
      volumeCapability: blockCapability,
    });
    const handle = await open(device, 'r');
    const last = await handle.read(Buffer.alloc(512), 0, 512, 2 * SIZE - 512);
    await handle.close();
    expect(last.bytesRead).toBe(512);
    await retract('growing');
  });

  test('a volume published read-only cannot be written to', async () => {
    await createVolume('sealed', SIZE);
    const path = await publish('sealed', mountCapability, true);
    await expect(writeFile(join(path, 'file'), 'x')).rejects.toMatchObject({ code: 'EROFS' });
    await retract('sealed');
  });

  test('a volume with a single writer is published once, and a restarted driver still knows', async () => {
    await createVolume('single', SIZE);
    const capability = { ...mountCapability, accessMode: { mode: 'SINGLE_NODE_SINGLE_WRITER' } };
    await publish('single', capability);
    await driver.process.kill('SIGKILL');
    await driver.process.start();
    const second = node('NodePublishVolume', {
      volumeId: 'single',
      stagingTargetPath: staging('single'),
      targetPath: `${target('single')}-2`,
      volumeCapability: capability,
    });
    await expect(second).rejects.toEqual(expectation(status.FAILED_PRECONDITION, /SINGLE_NODE_SINGLE_WRITER/));
    await retract('single');
  });

  test('a staged volume is not deleted, and afterwards nothing of it is left', async () => {
    await createVolume('held', SIZE);
    await publish('held', mountCapability);
    const held = controller('DeleteVolume', { volumeId: 'held' });
    await expect(held).rejects.toEqual(expectation(status.FAILED_PRECONDITION, /staged/));
    await retract('held');
    await retract('held');
    expect(await loopsOfVolume(volumeFile(driver.pool, 'held'))).toEqual([]);
    await controller('DeleteVolume', { volumeId: 'held' });
    await expect(stat(volumeFile(driver.pool, 'held'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(stat(target('held'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a device that somebody still has open is not unstaged, and once it is closed the volume can be staged again', async () => {
    await createVolume('open', SIZE);
    await publish('open', blockCapability);
    const [device = ''] = await loopsOfVolume(volumeFile(driver.pool, 'open'));
    const user = await open(device, 'r+');
    await node('NodeUnpublishVolume', { volumeId: 'open', targetPath: target('open') });
    const request = { volumeId: 'open', stagingTargetPath: staging('open') };
    for (const call of [
      node('NodeUnstageVolume', request),
      node('NodeStageVolume', { ...request, volumeCapability: blockCapability }),
    ])
      await expect(call).rejects.toEqual(expectation(status.FAILED_PRECONDITION, /still open/));
    await user.close();
    await publish('open', blockCapability);
    await retract('open');
  });

  test('a volume that breaks fails to be read and written from there on, keeps its bytes, and is whole when told so', async () => {
    await createVolume('brittle', 4 * MIB);
    await driver.faults.setMedium({});
    const device = await open(await publish('brittle', blockCapability), constants.O_RDWR | constants.O_SYNC);
    const content = randomBytes(4 * MIB);
    await device.write(content, 0, content.length, 0);
    expect((await readFile(volumeFile(driver.pool, 'brittle'))).equals(content)).toBe(true);

    await driver.faults.setMedium({ readsFrom: 2 * MIB });
    await dropCache(target('brittle'));
    expect((await device.read(Buffer.alloc(MIB), 0, MIB, MIB)).bytesRead).toBe(MIB);
    await expect(device.read(Buffer.alloc(4096), 0, 4096, 2 * MIB)).rejects.toMatchObject({ code: 'EIO' });
    await device.write(content, 0, MIB, 3 * MIB);

    await driver.faults.setMedium({ writesFrom: MIB });
    await device.write(content, 0, 4096, 0);
    await expect(device.write(content, 0, 4096, MIB)).rejects.toMatchObject({ code: 'EIO' });

    await driver.faults.setMedium(undefined);
    await device.write(content, 0, content.length, 0);
    await device.close();
    await retract('brittle');
    expect((await readFile(volumeFile(driver.pool, 'brittle'))).equals(content)).toBe(true);
    expect(await isMounted(deviceFile(driver.pool, 'node-1', 'brittle'))).toBe(false);
  });

  test('a volume left frozen by a driver that was killed during a copy is thawed by the next start', async () => {
    await createVolume('frozen', SIZE);
    const path = await publish('frozen', mountCapability);
    await driver.process.kill('SIGKILL');
    await run('fsfreeze', '--freeze', staging('frozen'));
    await driver.process.start();
    // Thawing what is not frozen fails, so this failure shows that the driver has done it.
    await expect(run('fsfreeze', '--unfreeze', staging('frozen'))).rejects.toThrow(/Invalid argument/);
    await writeFile(join(path, 'file'), 'x');
    await retract('frozen');
  });
}

/** Of a block device, so that reading it asks the storage. */
async function dropCache(device: string): Promise<void> {
  await run('blockdev', '--flushbufs', device);
}

function xfsTests(): void {
  test('a mounted xfs grows when the node is told to, and its statistics show it', async () => {
    await createVolume('xfs-growing', SIZE);
    const volumePath = await publish('xfs-growing', xfsCapability);
    const capacityRange = { requiredBytes: String(2 * SIZE) };
    await controller('ControllerExpandVolume', {
      volumeId: 'xfs-growing',
      capacityRange,
      volumeCapability: xfsCapability,
    });
    const request = { volumeId: 'xfs-growing', volumePath };
    await node('NodeExpandVolume', { ...request, capacityRange, volumeCapability: xfsCapability });
    const { usage } = await node<{ usage: { unit: string; total: string }[] }>('NodeGetVolumeStats', request);
    const total = usage.find(({ unit }) => unit === 'BYTES')?.total;
    expect(Number(total)).toBeGreaterThan(1.5 * SIZE);
    await retract('xfs-growing');
  });
}

function noXfsTests(): void {
  test('staging as xfs fails with the program that is missing', async () => {
    await createVolume('no-xfs', SIZE);
    const request = { volumeId: 'no-xfs', stagingTargetPath: staging('no-xfs'), volumeCapability: xfsCapability };
    await expect(node('NodeStageVolume', request)).rejects.toEqual(expectation(status.INTERNAL, /mkfs\.xfs/));
    await node('NodeUnstageVolume', request);
  });
}
