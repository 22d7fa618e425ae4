import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { status } from '@grpc/grpc-js';
import type { Clock } from '../../../shared/process/clock.ts';
import { type LoopDevice, loopDevices, readOrEmpty } from '../cluster/remains.ts';
import { run } from './command.ts';
import { CsiError, isErrno } from './errors.ts';
import { isDeviceFileOf } from './layout.ts';

/** The device this file is attached to, if any. */
export async function loopOf(file: string): Promise<string | undefined> {
  const path = await resolved(file);
  return loopDevices().find((loop) => loop.file === path)?.device;
}

/** The devices that nodes have of a volume. @param volume its backing file. */
export async function loopsOfVolume(volume: string): Promise<readonly string[]> {
  const path = await resolved(volume);
  return loopDevices().flatMap(({ file, device }) => (isDeviceFileOf(path, file) ? [device] : []));
}

/** The loop devices whose backing files lie somewhere below a folder. */
export async function loopsBelow(folder: string): Promise<readonly LoopDevice[]> {
  const path = await resolved(folder);
  return loopDevices().filter((loop) => loop.file.startsWith(`${path}${sep}`));
}

/**
 * Attaches a file, unless it already is, and returns the device.
 * @throws CsiError FAILED_PRECONDITION when it has one that is about to go, see {@link detachLoop}.
 */
export async function attachLoop(file: string, clock: Clock): Promise<string> {
  const device = await loopOf(file);
  if (device !== undefined && !isEnding(device)) return device;
  if (device !== undefined) await gone(file, clock);
  return await run('losetup', '--find', '--show', file);
}

/**
 * Detaches a file, if it is attached, and waits for that. The kernel puts it off as long as somebody has the device open; until then the device
 * looks as if it were there to stay.
 * @throws CsiError FAILED_PRECONDITION when it is still open after a while; the caller tries again.
 */
export async function detachLoop(file: string, clock: Clock): Promise<void> {
  const device = await loopOf(file);
  if (device === undefined) return;
  await run('losetup', '--detach', device);
  await gone(file, clock);
}

/** Whether the kernel takes it away when nobody has it open any more. */
function isEnding(device: string): boolean {
  return readOrEmpty(join(device.replace(/^\/dev/u, '/sys/block'), 'loop/autoclear')).trim() === '1';
}

const looks = 50;
const pauseMs = 20;

async function gone(file: string, clock: Clock): Promise<void> {
  for (let look = 0; look < looks; look += 1) {
    if ((await loopOf(file)) === undefined) return;
    await clock.sleep(pauseMs);
  }
  throw new CsiError(status.FAILED_PRECONDITION, `${await loopOf(file)}, which is ${file}, is still open`);
}

/** Makes the device of a file that grew as large as the file is now. */
export async function refreshLoop(file: string): Promise<void> {
  const device = await loopOf(file);
  if (device !== undefined) await run('losetup', '--set-capacity', device);
}

/** The same for all devices of a volume. */
export async function refreshLoops(volume: string): Promise<void> {
  for (const device of await loopsOfVolume(volume)) await run('losetup', '--set-capacity', device);
}

/** The kernel tells backing files by their real paths. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return path;
    throw error;
  }
}
