import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markerVariable } from './identity.ts';

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
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const marker = read(`/proc/${pid}/environ`)
      .split('\0')
      .find((entry) => entry.startsWith(`${variable}=`));
    if (marker === undefined) return [];
    const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    return [{ pid: Number(pid), cluster: marker.slice(variable.length + 1), command }];
  });
}

/** Mount points, the deepest first, which is the order to unmount them in. */
export function mountPoints(): readonly string[] {
  const targets = read('/proc/self/mounts')
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
      const file = read(join('/sys/block', name, 'loop/backing_file')).trim();
      return file === '' ? [] : [{ device: `/dev/${name}`, file }];
    });
}

/** Names in a folder; none when it cannot be read. */
export function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Processes end and devices vanish while we look: what cannot be read is not there. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
