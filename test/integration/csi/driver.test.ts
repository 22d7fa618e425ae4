import { createHash, randomBytes } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Driver, openWorkshop, startDriver, type Workshop } from '../../support/csi/harness.ts';
import { snapshotFile, volumeFile } from '../../support/csi/layout.ts';
import { blockCapability, expectation, mountCapability, type VolumeAnswer } from './requests.ts';

const MIB = 1024 ** 2;
const SIZE = 64 * MIB;

let workshop: Workshop;
let driver: Driver;

beforeAll(async () => {
  workshop = await openWorkshop((line) => console.warn(line));
  driver = await startDriver(workshop, { name: 'main' });
});

afterAll(async () => {
  driver?.client.close();
  await workshop?.close();
});

const controller = <Answer>(method: string, request: object) =>
  driver.client.call<Answer>('Controller', method, request);

async function createVolume(name: string, bytes: number, volumeContentSource?: object): Promise<VolumeAnswer> {
  return controller<VolumeAnswer>('CreateVolume', {
    name,
    capacityRange: { requiredBytes: String(bytes) },
    volumeCapabilities: [blockCapability],
    ...(volumeContentSource === undefined ? {} : { volumeContentSource }),
  });
}

/** Writes bytes of its own into the first and the last MiB of a volume. */
async function scribble(name: string): Promise<void> {
  const file = await open(volumeFile(driver.pool, name), 'r+');
  await file.write(randomBytes(MIB), 0, MIB, 0);
  await file.write(randomBytes(MIB), 0, MIB, SIZE - MIB);
  await file.close();
}

async function digest(path: string, bytes = SIZE): Promise<string> {
  const content = await readFile(path);
  return createHash('sha256').update(content.subarray(0, bytes)).digest('hex');
}

test('the pool clones by reflink on XFS and by copying elsewhere, and says which', async () => {
  const log = await readFile(driver.process.logFile, 'utf8');
  expect(log).toContain(`clones by ${workshop.storage.kind === 'xfs' ? 'reflink' : 'copy'}`);
});

describe('a clone', () => {
  test('has the bytes of its source, stays sparse, and changes apart from it', async () => {
    await createVolume('clone-source', SIZE);
    await scribble('clone-source');
    const before = await digest(volumeFile(driver.pool, 'clone-source'));
    const { volume } = await createVolume('clone', SIZE, { volume: { volumeId: 'clone-source' } });
    expect(volume).toMatchObject({
      volumeId: 'clone',
      capacityBytes: String(SIZE),
      contentSource: { volume: { volumeId: 'clone-source' } },
    });
    expect(await digest(volumeFile(driver.pool, 'clone'))).toBe(before);
    expect((await stat(volumeFile(driver.pool, 'clone'))).blocks * 512).toBeLessThan(4 * MIB);

    await scribble('clone');
    expect(await digest(volumeFile(driver.pool, 'clone-source'))).toBe(before);
    expect(await digest(volumeFile(driver.pool, 'clone'))).not.toBe(before);
  });

  test('may be larger than its source, with nothing behind the bytes of it', async () => {
    await createVolume('small', SIZE);
    await scribble('small');
    await createVolume('large', 2 * SIZE, { volume: { volumeId: 'small' } });
    expect(await digest(volumeFile(driver.pool, 'large'))).toBe(await digest(volumeFile(driver.pool, 'small')));
    const behind = (await readFile(volumeFile(driver.pool, 'large'))).subarray(SIZE);
    expect(behind.equals(Buffer.alloc(SIZE))).toBe(true);
  });

  test('of a volume that is not there is refused', async () => {
    const missing = createVolume('orphan', SIZE, { volume: { volumeId: 'nobody' } });
    await expect(missing).rejects.toEqual(expectation(status.NOT_FOUND, /no volume "nobody"/));
  });
});

test('a snapshot is a point in time, and a volume restored from it has the bytes of that time', async () => {
  await createVolume('snapped', SIZE);
  await scribble('snapped');
  const before = await digest(volumeFile(driver.pool, 'snapped'));
  const { snapshot } = await controller<{ snapshot: object }>('CreateSnapshot', {
    name: 'snapshot',
    sourceVolumeId: 'snapped',
  });
  expect(snapshot).toMatchObject({ snapshotId: 'snapshot', sizeBytes: String(SIZE), readyToUse: true });
  await scribble('snapped');
  expect(await digest(snapshotFile(driver.pool, 'snapshot'))).toBe(before);

  await controller('DeleteVolume', { volumeId: 'snapped' });
  await createVolume('restored', SIZE, { snapshot: { snapshotId: 'snapshot' } });
  expect(await digest(volumeFile(driver.pool, 'restored'))).toBe(before);
});

describe('expansion', () => {
  test.each([
    ['of a block volume is complete without a node', blockCapability, false],
    ['of a file system needs the node', mountCapability, true],
  ])('%s', async (_, volumeCapability, nodeExpansionRequired) => {
    const volumeId = `grow-${nodeExpansionRequired}`;
    await createVolume(volumeId, SIZE);
    const answer = await controller('ControllerExpandVolume', {
      volumeId,
      capacityRange: { requiredBytes: String(2 * SIZE) },
      volumeCapability,
    });
    expect(answer).toEqual({ capacityBytes: String(2 * SIZE), nodeExpansionRequired });
    expect((await stat(volumeFile(driver.pool, volumeId))).size).toBe(2 * SIZE);
  });
});

describe('a fault', () => {
  test('strikes once over the wire and the repeated call succeeds', async () => {
    const fault = await driver.faults.set('CreateVolume', { mode: 'once', code: 'INTERNAL', message: 'disk on fire' });
    await expect(createVolume('unlucky', SIZE)).rejects.toEqual(expectation(status.INTERNAL, /disk on fire/));
    expect(await createVolume('unlucky', SIZE)).toMatchObject({ volume: { volumeId: 'unlucky' } });
    expect(await driver.faults.strikes(fault)).toBe(1);
    await driver.faults.clear();
  });

  test('can concern clones only', async () => {
    await createVolume('plain', SIZE);
    await driver.faults.set('CreateVolume', { mode: 'always', code: 'RESOURCE_EXHAUSTED', source: 'volume' });
    const clone = () => createVolume('struck', SIZE, { volume: { volumeId: 'plain' } });
    await expect(clone()).rejects.toEqual(expectation(status.RESOURCE_EXHAUSTED));
    await expect(createVolume('not-struck', SIZE)).resolves.toBeDefined();
    await driver.faults.clear();
    await expect(clone()).resolves.toBeDefined();
  });

  test('that delays lets other methods through meanwhile', async () => {
    await createVolume('patient', SIZE);
    const fault = await driver.faults.set('CreateSnapshot', { mode: 'delay', ms: 60_000 });
    const request = { name: 'late', sourceVolumeId: 'patient' };
    const slow = driver.client.call('Controller', 'CreateSnapshot', request, 5_000);
    await Promise.all([
      expect(slow).rejects.toEqual(expectation(status.DEADLINE_EXCEEDED)),
      driver.faults.struck(fault).then(() => createVolume('quick', SIZE)),
    ]);
    await driver.faults.clear();
  });
});

test('what is asked for without its required fields is refused as invalid', async () => {
  const invalid = expectation(status.INVALID_ARGUMENT);
  await expect(controller('CreateVolume', { name: 'x' })).rejects.toEqual(invalid);
  await expect(controller('CreateVolume', { volumeCapabilities: [blockCapability] })).rejects.toEqual(invalid);
  await expect(controller('CreateSnapshot', { name: 'x' })).rejects.toEqual(invalid);
  await expect(controller('DeleteVolume', {})).rejects.toEqual(invalid);
});
