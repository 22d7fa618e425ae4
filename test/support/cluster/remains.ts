import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { idPrefix, markerVariable } from './identity.ts';

/** What a cluster has on this machine at the moment, read from /proc and /sys: no list is kept that could be out of date. */

export interface MarkedProcess {
  readonly pid: number;
  readonly cluster: string;
  readonly command: string;
}

export interface LoopDevice {
  readonly device: string;
  readonly file: string;
}

/**
 * Every live process that carries the variable. A dead one that nobody has reaped yet has no environment any more, so it is not
 * among them.
 */
export function markedProcesses(variable = markerVariable): readonly MarkedProcess[] {
  return processes((pid) => markOf(pid, variable));
}

/** Every live process in a pod of a cluster's. It knows nothing of the cluster; its cgroup does. */
export function podProcesses(): readonly MarkedProcess[] {
  return processes((pid) => new RegExp(`:/(${idPrefix}[a-z0-9-]+)/`).exec(readOrEmpty(`/proc/${pid}/cgroup`))?.[1]);
}

function markOf(pid: string, variable: string): string | undefined {
  const entry = readOrEmpty(`/proc/${pid}/environ`)
    .split('\0')
    .find((text) => text.startsWith(`${variable}=`));
  return entry?.slice(variable.length + 1);
}

function processes(clusterOf: (pid: string) => string | undefined): readonly MarkedProcess[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const cluster = clusterOf(pid);
    if (cluster === undefined) return [];
    const command = readOrEmpty(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    return [{ pid: Number(pid), cluster, command }];
  });
}

/** Mount points that a process sees, the deepest first, which is the order to unmount them in. */
export function mountPoints(pid: number | 'self' = 'self'): readonly string[] {
  const targets = readOrEmpty(`/proc/${pid}/mounts`)
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? [])
    .map((target) =>
      target.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    );
  return targets.toSorted((a, b) => b.split('/').length - a.split('/').length);
}

export function loopDevices(): readonly LoopDevice[] {
  return entries('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .flatMap((name) => {
      const file = readOrEmpty(join('/sys/block', name, 'loop/backing_file')).trim();
      return file === '' ? [] : [{ device: `/dev/${name}`, file }];
    });
}

/** Names in a folder, or only those of the folders in it; none when it cannot be read. */
export function entries(folder: string, kind: 'all' | 'folders' = 'all'): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => kind === 'all' || entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Processes end and devices vanish while we look: what cannot be read is not there. */
export function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
