import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { type LoopDevice, loopDevices } from '../cluster/remains.ts';
import { run } from './command.ts';
import { isErrno } from './errors.ts';

/** The device this file is attached to, if any. */
export async function loopOf(file: string): Promise<string | undefined> {
  const path = await resolved(file);
  return loopDevices().find((loop) => loop.file === path)?.device;
}

/** The loop devices whose backing files lie somewhere below a folder. */
export async function loopsBelow(folder: string): Promise<readonly LoopDevice[]> {
  const path = await resolved(folder);
  return loopDevices().filter((loop) => loop.file.startsWith(`${path}${sep}`));
}

/** Attaches a file, unless it already is, and returns the device. */
export async function attachLoop(file: string): Promise<string> {
  return (await loopOf(file)) ?? run('losetup', '--find', '--show', file);
}

export async function detachLoop(file: string): Promise<void> {
  const device = await loopOf(file);
  if (device !== undefined) await run('losetup', '--detach', device);
}

/** Makes the device of a file that grew as large as the file is now. */
export async function refreshLoop(file: string): Promise<void> {
  const device = await loopOf(file);
  if (device !== undefined) await run('losetup', '--set-capacity', device);
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
