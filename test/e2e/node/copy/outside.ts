import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stored } from '../../../../shared/api/objects.ts';
import type { Pod } from '../../../../shared/api/pod.ts';
import { cgroupMounts } from '../../../support/cluster/node/cgroups.ts';
import { isErrno } from '../../../support/csi/errors.ts';

/** What befalls a copy pod without anybody in the cluster doing it. */

/** The program itself, as the kernel of a node that is short of memory would. */
export function killProgramIn(pod: Stored<Pod>): void {
  for (const pid of programsIn(pod)) process.kill(Number(pid), 'SIGKILL');
}

/**
 * Takes from the container as much of its memory as it lets go of, so that the kernel ends it when it wants some back, which may take more
 * than one time. @returns whether it has ended.
 */
export function starve(pod: Stored<Pod>): boolean {
  const pids = pidsIn(pod);
  for (const pid of pids) for (const limit of memoryLimitsOf(pid)) lower(limit);
  return pids.length === 0;
}

function programsIn(pod: Stored<Pod>): readonly string[] {
  const pids = pidsIn(pod);
  if (pids.length === 0) throw new Error(`no program runs in pod ${pod.metadata.name}`);
  return pids;
}

function pidsIn({ metadata: { uid } }: Stored<Pod>): readonly string[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && runsIn(entry, uid));
}

function runsIn(pid: string, uid: string): boolean {
  const cgroup = readOrNothing(`/proc/${pid}/cgroup`).replaceAll('_', '-');
  return cgroup.includes(`pod${uid}`) && readOrNothing(`/proc/${pid}/cmdline`).includes('/app/copy.mjs');
}

/** The file with the limit, in either version of cgroups. */
function memoryLimitsOf(pid: string): readonly string[] {
  const lines = readOrNothing(`/proc/${pid}/cgroup`).split('\n');
  return cgroupMounts().flatMap(({ folder, version }) => {
    if (version === 1 && !folder.endsWith('/memory')) return [];
    const path = lines.flatMap((line) => (version === 1 ? /^\d+:memory:(.*)/ : /^0::(.*)/).exec(line)?.[1] ?? [])[0];
    const file = version === 1 ? 'memory.limit_in_bytes' : 'memory.max';
    const limit = join(folder, path ?? '/nowhere', file);
    return readOrNothing(limit) === '' ? [] : [limit];
  });
}

const step = 1024 ** 2;

/** Version 1 refuses what it cannot get at once, and version 2 kills for it. */
function lower(limit: string): void {
  const usage = Number(readOrNothing(limit.replace('limit_in', 'usage_in').replace('memory.max', 'memory.current')));
  try {
    for (let bytes = usage - (usage % 4096); bytes >= 0; bytes -= step) writeFileSync(limit, String(bytes));
  } catch (error) {
    if (!['EBUSY', 'ENOENT', 'ENODEV'].some((code) => isErrno(error, code))) throw error;
  }
}

/** What it was of has ended meanwhile. */
function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
