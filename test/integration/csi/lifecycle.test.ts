import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REMOVABLE } from '../../support/csi/features.ts';
import { type Driver, openWorkshop, startDriver, type Workshop } from '../../support/csi/harness.ts';
import { volumeFile } from '../../support/csi/layout.ts';
import { blockCapability, expectation } from './requests.ts';

const SIZE = 16 * 1024 ** 2;

let workshop: Workshop;

beforeAll(async () => {
  workshop = await openWorkshop((line) => console.warn(line));
});

afterAll(async () => {
  await workshop?.close();
});

const volumeRequest = (name: string, more: object = {}) => ({
  name,
  capacityRange: { requiredBytes: String(SIZE) },
  volumeCapabilities: [blockCapability],
  ...more,
});

describe('a driver that is killed', () => {
  let driver: Driver;

  beforeAll(async () => {
    driver = await startDriver(workshop, { name: 'mortal' });
  });

  afterAll(() => driver?.client.close());

  test('starts again at the same socket, with its volumes, and without what was half done', async () => {
    await driver.client.call('Controller', 'CreateVolume', volumeRequest('survivor'));
    await driver.process.kill('SIGKILL');
    expect(existsSync(driver.endpoint)).toBe(true);
    await writeFile(volumeFile(driver.pool, 'half.partial'), 'half');
    await writeFile(volumeFile(driver.pool, 'unborn'), 'bytes without metadata');

    await driver.process.start();
    const again = await driver.client.call('Controller', 'CreateVolume', volumeRequest('survivor'));
    expect(again).toMatchObject({ volume: { volumeId: 'survivor' } });
    expect(existsSync(volumeFile(driver.pool, 'survivor'))).toBe(true);
    expect(existsSync(volumeFile(driver.pool, 'half.partial'))).toBe(false);
    expect(existsSync(volumeFile(driver.pool, 'unborn'))).toBe(false);
  });

  test('leaves no socket when it is told to end, and a call that waits is told so', async () => {
    const fault = await driver.faults.set('CreateVolume', { mode: 'delay', ms: 60_000 });
    const waiting = driver.client.call('Controller', 'CreateVolume', volumeRequest('waiting'));
    const [outcome] = await Promise.all([
      Promise.allSettled([waiting]),
      driver.faults.struck(fault).then(() => driver.process.kill('SIGTERM')),
    ]);
    expect(outcome).toEqual([{ status: 'rejected', reason: expectation(status.UNAVAILABLE, /stopping/) }]);
    expect(existsSync(driver.endpoint)).toBe(false);
    expect(await readFile(driver.process.logFile, 'utf8')).toMatch(/ SIGTERM: stopping\n[^]* stopped\n$/);
  });
});

test.each(REMOVABLE)('a driver without %s does not claim it and refuses its calls', async (capability) => {
  const driver = await startDriver(workshop, {
    name: `lacks-${REMOVABLE.indexOf(capability)}`,
    without: [capability],
  });
  const call = (method: string, request: object = {}) => driver.client.call('Controller', method, request);
  expect(JSON.stringify(await call('ControllerGetCapabilities'))).not.toContain(`"${capability}"`);

  await call('CreateVolume', volumeRequest('source'));
  const refused = {
    CLONE_VOLUME: () =>
      call('CreateVolume', volumeRequest('x', { volumeContentSource: { volume: { volumeId: 'source' } } })),
    CREATE_DELETE_SNAPSHOT: () => call('CreateSnapshot', { name: 'x', sourceVolumeId: 'source' }),
    EXPAND_VOLUME: () => call('ControllerExpandVolume', { volumeId: 'source', capacityRange: { requiredBytes: '1' } }),
  };
  const code = capability === 'CLONE_VOLUME' ? status.INVALID_ARGUMENT : status.UNIMPLEMENTED;
  await expect(refused[capability]()).rejects.toEqual(expectation(code, new RegExp(`without ${capability}`)));
  driver.client.close();
});

test('a driver with topology says where its volumes are and makes none elsewhere', async () => {
  const driver = await startDriver(workshop, { name: 'placed', topology: true });
  const on = (node: string) => ({ segments: { 'topology.placed.csi.clonegate.test/node': node } });
  const create = (name: string, node: string) =>
    driver.client.call(
      'Controller',
      'CreateVolume',
      volumeRequest(name, { accessibilityRequirements: { requisite: [on(node)] } }),
    );
  expect(await create('here', 'node-1')).toMatchObject({ volume: { accessibleTopology: [on('node-1')] } });
  await expect(create('there', 'node-2')).rejects.toEqual(expectation(status.RESOURCE_EXHAUSTED, /node-1 only/));
  driver.client.close();
});

describe('the program', () => {
  const program = fileURLToPath(new URL('../../support/csi/main.ts', import.meta.url));
  const run = (args: readonly string[]) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, [program, ...args], (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
      );
    });

  test('tells how it is used and ends well', async () => {
    expect(await run(['--help'])).toEqual({ code: 0, stdout: expect.stringContaining('--endpoint PATH'), stderr: '' });
  });

  test('ends with 2 and says what is wrong with its arguments', async () => {
    const good = [
      '--endpoint',
      join(workshop.folder, 'x.sock'),
      '--name',
      'x.test',
      '--pool',
      join(workshop.folder, 'x'),
    ];
    expect(await run(good)).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^--proto is missing\n|^--node is missing\n/),
    });
    const noProto = await run([...good, '--node', 'n', '--proto', '/nowhere/csi.proto']);
    expect(noProto).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--proto /nowhere/csi.proto: cannot be read'),
    });
  });

  test('does not take the socket of another that runs', async () => {
    const driver = await startDriver(workshop, { name: 'owner' });
    const args = ['--endpoint', driver.endpoint, '--name', 'x.test', '--pool', join(workshop.folder, 'thief')];
    const second = await run([...args, '--node', 'n', '--proto', workshop.proto]);
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('another program serves at') });
    expect(await driver.client.call('Identity', 'Probe')).toEqual({ ready: { value: true } });
    driver.client.close();
  });
});
