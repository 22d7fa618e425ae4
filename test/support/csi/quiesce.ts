import { open } from 'node:fs/promises';
import { run } from './command.ts';
import { loopsBelow, loopsOfVolume } from './loops.ts';
import { readMounts } from './mounttable.ts';

/**
 * Does `work` on a backing file while the file holds all that was written to the volume so far. A mounted file system
 * stands still meanwhile, so that a copy of it is one that can be mounted without repair.
 */
export async function quiesced(file: string, work: () => Promise<void>): Promise<void> {
  const devices = await loopsOfVolume(file);
  const mount = (await readMounts()).find(({ source }) => devices.includes(source));
  if (mount === undefined) {
    await Promise.all(devices.map(flush));
    return work();
  }
  await run('fsfreeze', '--freeze', mount.target);
  try {
    await work();
  } finally {
    await run('fsfreeze', '--unfreeze', mount.target);
  }
}

/** Thaws what a driver that was killed in the middle of a copy left frozen: its users would hang for ever. */
export async function thawAll(folder: string): Promise<void> {
  const devices = new Set((await loopsBelow(folder)).map(({ device }) => device));
  const frozen = new Map(
    (await readMounts()).filter(({ source }) => devices.has(source)).map((m) => [m.source, m.target]),
  );
  // fsfreeze fails on what is not frozen, and there is no way to ask beforehand.
  for (const target of frozen.values()) await run('fsfreeze', '--unfreeze', target).catch(() => undefined);
}

/** Writes to a loop device lie in the device's own cache first, where a look at the backing file does not see them. */
async function flush(device: string): Promise<void> {
  const handle = await open(device, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
