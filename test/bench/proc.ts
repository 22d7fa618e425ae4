import { readFileSync } from 'node:fs';

/** What Linux counts for a process. */

/** Clock ticks a second of /proc/PID/stat; Linux has told all programs 100 since 2.4, whatever its own clock. */
const ticksPerSecond = 100;

/** Milliseconds of CPU, user and system, of all threads since the start; steps of 10. */
export function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may itself hold blanks and brackets; the fields behind it do not.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

export interface Memory {
  /** MiB that are resident now. */
  readonly now: number;
  /** Those of them that are no file's: without the program and the libraries, which all who run them share. */
  readonly own: number;
  /** The most that ever were. */
  readonly peak: number;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
  return { now: mebibytes('VmRSS'), own: mebibytes('RssAnon'), peak: mebibytes('VmHWM') };
}

/** MiB that are resident, the pages that others have as well counted by their share (proc(5), `Pss`). */
export function shareOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) / 1024;
}
