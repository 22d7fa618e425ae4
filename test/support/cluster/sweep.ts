import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isId, roots } from './identity.ts';
import { loopDevices, markedProcesses, mountPoints } from './remains.ts';
import { until } from './until.ts';

/**
 * Takes away everything that a cluster has on this machine: processes, then mounts and loop devices, then folders. It asks the
 * kernel what there is, so it needs no list and may run again.
 * @throws Error when something is still there after half a minute; TypeError when `id` is not a cluster's.
 */
export async function sweep(id: string): Promise<void> {
  // The id becomes the path of a folder that is removed with all it holds.
  if (!isId(id)) throw new TypeError(`not the id of a cluster: ${JSON.stringify(id)}`);
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
 * pool's, then the devices, then the pool, and last its own device, which normally goes with it.
 */
function unmount(state: string): void {
  const pool = join(state, 'pool');
  const mounts = mountPoints().filter((mount) => mount.startsWith(`${state}/`));
  for (const mount of mounts.filter((mount) => mount !== pool)) {
    // A driver that was killed while it took a snapshot leaves its volume frozen, and that would hold the unmounting up.
    run('fsfreeze', '--unfreeze', mount);
    umount(mount);
  }
  detach(`${pool}/`);
  if (mounts.includes(pool)) umount(pool);
  detach(`${state}/`);
}

function umount(mount: string): void {
  if (!run('umount', mount)) run('umount', '-l', mount);
}

function detach(prefix: string): void {
  for (const { device, file } of loopDevices()) {
    if (file.startsWith(prefix)) run('losetup', '-d', device);
  }
}

/** Whether it went well. What could not be done shows in the end, when the folder cannot be removed. */
function run(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}
