import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { ensurePackages, missingPackages, type Packages } from '../../packages.ts';
import { cgroupMounts } from './cgroups.ts';

/** What a real node takes beside the programs that are built: Debian packages, and what tells that they are there. */
export const nodePackages: Packages = {
  containerd: 'containerd',
  runc: 'runc',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  iptables: 'iptables',
  iproute2: 'ip',
  'busybox-static': busybox(),
  xfsprogs: 'mkfs.xfs',
};

/** The program that the tests' own image is made of. */
export function busybox(): string {
  return '/bin/busybox';
}

/** Why this machine cannot be a node, in one line; `undefined` when it can. Nothing is changed to find out. */
export function nodeObstacle(): string | undefined {
  const obstacle = machineObstacle();
  if (obstacle !== undefined) return obstacle;
  const missing = missingPackages(nodePackages);
  return missing.length > 0 ? `a real node needs ${missing.join(', ')}: apt-get install them` : busyboxObstacle();
}

/**
 * Installs the packages where that is possible.
 * @throws Error of one line that says what is missing and what to do about it.
 */
export async function ensureNodeRequirements(): Promise<void> {
  const machine = machineObstacle();
  if (machine !== undefined) throw new Error(machine);
  await ensurePackages('a real node', nodePackages);
  const image = busyboxObstacle();
  if (image !== undefined) throw new Error(image);
}

/** What no package brings, in one line; `undefined` when nothing is in the way. */
export function machineObstacle(): string | undefined {
  if (process.platform !== 'linux') return `a real node needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'a real node needs root: run it as root';
  return cgroupObstacle() ?? kernelObstacle() ?? folderObstacle(tmpdir());
}

function cgroupObstacle(): string | undefined {
  const mounts = cgroupMounts();
  if (mounts.length === 0) return 'a real node needs cgroups, and none are mounted at /sys/fs/cgroup';
  const closed = mounts.find(({ folder }) => !isWritable(folder));
  return closed && `a real node needs cgroups that root may change, and ${closed.folder} is mounted read-only`;
}

function kernelObstacle(): string | undefined {
  const device = ['/dev/loop-control', '/dev/kmsg'].find((path) => !isWritable(path));
  if (device !== undefined) return `a real node needs ${device}, which a container has only when it is privileged`;
  const { status, stderr } = spawnSync('unshare', ['--mount', '--net', 'true'], { encoding: 'utf8' });
  if (status !== 0) return `a real node needs namespaces, and root may not make them here (${stderr.trim()})`;
  return undefined;
}

/** Containers' file systems are layers of overlayfs, which does not stack on itself. @param folder where the node keeps its files. */
export function folderObstacle(folder: string): string | undefined {
  const hidden = ['/var', '/run'].find((own) => `${folder}/`.startsWith(`${own}/`));
  if (hidden !== undefined)
    return `a real node has a ${hidden} of its own, and the temp folder ${folder} lies in it: set TMPDIR to another`;
  if (statfsSync(folder).type === overlayfs)
    return `a real node needs a temp folder that is not on overlayfs, as ${folder} is: set TMPDIR to another`;
  return undefined;
}

/** OVERLAYFS_SUPER_MAGIC of statfs(2). */
const overlayfs = 0x794c7630;

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A dynamic busybox would find no libraries in the image. */
function busyboxObstacle(): string | undefined {
  if (!readFileSync(busybox(), 'latin1').includes('/ld-linux')) return undefined;
  return `a real node needs a busybox without shared libraries at ${busybox()}: install the package busybox-static`;
}
