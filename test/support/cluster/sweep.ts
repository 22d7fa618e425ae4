import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { roots } from './identity.ts';
import { loopDevices, markedProcesses, mountPoints } from './remains.ts';
import { until } from './until.ts';

/**
 * Takes away everything that a cluster has on this machine: processes, then mounts and loop devices, then folders. It asks the
 * kernel what there is, so it needs no list and may run again.
 * @throws Error when something is still there after half a minute.
 */
export async function sweep(id: string): Promise<void> {
  await killAll(id);
  const state = join(tmpdir(), id);
  unmount(state);
  await until(`the folders of ${id} to go`, async () => {
    await Promise.all(roots().map((root) => rm(join(root, id), { recursive: true, force: true })));
    return true;
  });
}

/** Until two looks in a row find none: a process may have been forked while the first one was looking. */
async function killAll(id: string): Promise<void> {
  let clean = 0;
  await until(`the processes of ${id} to end`, () => {
    const alive = markedProcesses().filter((process) => process.cluster === id);
    for (const { pid } of alive) kill(pid);
    clean = alive.length === 0 ? clean + 1 : 0;
    return clean > 1;
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}

/**
 * Volumes are mounted from loop devices whose files lie in the pool, and the pool is itself a mount: so first all mounts but the
 * pool's, then the devices, then the pool, whose own device goes with it.
 */
function unmount(state: string): void {
  const pool = join(state, 'pool');
  const mounts = mountPoints().filter((mount) => mount.startsWith(`${state}/`));
  for (const mount of mounts.filter((mount) => mount !== pool)) umount(mount);
  for (const { device, file } of loopDevices()) {
    if (file.startsWith(`${pool}/`)) spawnSync('losetup', ['-d', device], { stdio: 'ignore' });
  }
  if (mounts.includes(pool)) umount(pool);
}

function umount(mount: string): void {
  if (spawnSync('umount', [mount], { stdio: 'ignore' }).status === 0) return;
  spawnSync('umount', ['-l', mount], { stdio: 'inherit' });
}
