import { readFileSync } from 'node:fs';
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
  const missing = process.getuid?.() === 0 ? missingPackages(nodePackages) : [];
  if (missing.length > 0) return `a real node needs the packages ${missing.join(', ')}`;
  return machineObstacle();
}

/**
 * Installs the packages where that is possible.
 * @throws Error of one line that says what is missing and what to do about it.
 */
export async function ensureNodeRequirements(): Promise<void> {
  const before = machineObstacle();
  if (before !== undefined) throw new Error(before);
  await ensurePackages('a real node', nodePackages);
  const after = nodeObstacle() ?? busyboxObstacle();
  if (after !== undefined) throw new Error(after);
}

/** What no package brings. */
export function machineObstacle(): string | undefined {
  if (process.platform !== 'linux') return `a real node needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0)
    return 'a real node needs root: containers, mounts and namespaces are made; run it as root';
  if (cgroupMounts().length === 0) return 'a real node needs cgroups: mount them at /sys/fs/cgroup';
  const hidden = ['/var', '/run'].find((folder) => `${tmpdir()}/`.startsWith(`${folder}/`));
  if (hidden !== undefined)
    return `a real node has a ${hidden} of its own, and the temp folder ${tmpdir()} lies in it: set TMPDIR to one elsewhere`;
  return undefined;
}

/** A dynamic busybox would find no libraries in the image. */
function busyboxObstacle(): string | undefined {
  if (!readFileSync(busybox(), 'latin1').includes('/ld-linux')) return undefined;
  return `a real node needs a busybox without shared libraries at ${busybox()}: install the package busybox-static`;
}
