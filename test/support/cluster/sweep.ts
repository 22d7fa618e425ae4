import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isId, machineVariable, roots } from './identity.ts';
import { clusterCgroups, removeCgroup } from './node/cgroups.ts';
import { loopDevices, markedProcesses, mountPoints, podProcesses } from './remains.ts';
import { until } from './until.ts';

/**
 * Takes away everything that a cluster has on this machine: processes, then mounts and loop devices, then what kept the nodes' namespaces,
 * then cgroups and folders. It asks the kernel what there is, so it needs no list and may run again.
 * @throws Error when something is still there after two minutes; TypeError when `id` is not a cluster's.
 */
export async function sweep(id: string): Promise<void> {
  // The id becomes the path of a folder that is removed with all it holds.
  if (!isId(id)) throw new TypeError(`not the id of a cluster: ${JSON.stringify(id)}`);
  const state = join(tmpdir(), id);
  const machines = (): readonly number[] => pidsOf(id, markedProcesses(machineVariable));
  await killAll(id, machines, state);
  await unmountAll(state, machines());
  await killAll(id, () => [], state);
  await until(`the cgroups and folders of ${id} to go`, async () => {
    for (const folder of clusterCgroups()) if (basename(folder) === id) removeCgroup(folder);
    await Promise.all(roots().map((root) => rm(join(root, id), { recursive: true, force: true })));
    return true;
  });
}

function pidsOf(id: string, processes: ReturnType<typeof markedProcesses>): readonly number[] {
  return processes.filter(({ cluster }) => cluster === id).map(({ pid }) => pid);
}

/**
 * All but those to spare, until two looks in a row find none: a process may have been forked while the first one was looking. A process that
 * writes to a file system which a driver was killed while freezing ends only when that is thawed.
 */
async function killAll(id: string, spared: () => readonly number[], state: string): Promise<void> {
  let clean = 0;
  let looks = 0;
  await until(`the processes of ${id} to end`, () => {
    const keep = spared();
    const alive = pidsOf(id, [...markedProcesses(), ...podProcesses()]).filter((pid) => !keep.includes(pid));
    for (const pid of alive) kill(pid);
    looks += 1;
    if (alive.length > 0 && looks % 10 === 0) thawAll(state, keep);
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
 * Volumes are mounted from loop devices whose files lie in the pool, and the pool is itself a mount: so first all mounts but the pool's, then
 * the devices, then the pool, and last its own device, which normally goes with it. Before all that, the devices that a kubelet puts on
 * the device of a block volume, so that nobody takes it away: their file is a mount, and nameless once that is gone. A node sees mounts that
 * we do not, the pool's too; and a namespace that has just lost its last process holds its mounts for another moment.
 */
async function unmountAll(state: string, machines: readonly number[]): Promise<void> {
  const pool = join(state, 'pool');
  const views = [...machines, undefined];
  thawAll(state, machines);
  await detached((file) => file.startsWith(`${state}/node-`));
  // Nameless as well once its mount is gone; one that is mounted itself goes with that.
  const mounts = views.flatMap((pid) => mountsBelow(state, pid)).filter((mount) => mount !== pool);
  detach((file) => mounts.some((mount) => file === mount || file.startsWith(`${mount}/`)));
  for (const pid of views) {
    for (const mount of mountsBelow(state, pid)) if (mount !== pool) umount(mount, pid);
  }
  await detached((file) => file.startsWith(`${pool}/`));
  for (const pid of views) if (mountsBelow(state, pid).includes(pool)) umount(pool, pid);
  await detached((file) => file.startsWith(`${state}/`));
}

function mountsBelow(state: string, pid?: number): readonly string[] {
  return mountPoints(pid).filter((mount) => mount.startsWith(`${state}/`));
}

/** A driver that was killed while it took a snapshot leaves its volume frozen, and that would hold the unmounting up. */
function thawAll(state: string, machines: readonly number[]): void {
  for (const pid of [undefined, ...machines]) {
    for (const mount of mountsBelow(state, pid)) run(pid, 'fsfreeze', '--unfreeze', mount);
  }
}

function umount(mount: string, pid?: number): void {
  if (!run(pid, 'umount', mount)) run(pid, 'umount', '-l', mount);
}

async function detached(ours: (file: string) => boolean): Promise<void> {
  await until('the loop devices to go', () => detach(ours) === 0);
}

/** @returns how many there were. */
function detach(ours: (file: string) => boolean): number {
  const left = loopDevices().filter(({ file }) => ours(file));
  for (const { device } of left) run(undefined, 'losetup', '-d', device);
  return left.length;
}

/** Whether it went well. What could not be done shows in the end, when the folder cannot be removed. @param pid whose view it has. */
function run(pid: number | undefined, program: string, ...args: readonly string[]): boolean {
  const inside = pid === undefined ? [] : ['nsenter', `--target=${pid}`, '--mount', '--'];
  const [command = program, ...rest] = [...inside, program, ...args];
  return spawnSync(command, rest, { stdio: 'ignore' }).status === 0;
}
