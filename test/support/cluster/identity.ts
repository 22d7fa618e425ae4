import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How everything of ours is told from what else is on the machine: folders by this prefix, processes by this variable. */
export const idPrefix = 'clonegate-';
export const markerVariable = 'CLONEGATE_CLUSTER';
/** What keeps a node's namespaces has this one too: its mounts are undone before it ends, and they end with it. */
export const machineVariable = 'CLONEGATE_MACHINE';
/** The watchdog has one of its own, so that it does not end itself. */
export const watchdogVariable = 'CLONEGATE_WATCHDOG';

const memoryRoot = '/dev/shm';

/** The folders a cluster may have; nothing that it writes lies anywhere else. */
export interface Folders {
  /** State, logs, users, sockets and the storage pool. */
  readonly state: string;
  /** etcd's data: in memory where the machine has a tmpfs for it, else inside `state`. */
  readonly etcd: string;
}

/**
 * A name for one cluster that no other has: `clonegate-<name>-<random>`.
 * @param name lower case letters, digits and dashes. @throws TypeError when it is anything else.
 */
export function newId(name: string): string {
  if (!isId(idPrefix + name))
    throw new TypeError(`a cluster's name has a-z, 0-9 and "-" only: ${JSON.stringify(name)}`);
  return `${idPrefix}${name}-${randomBytes(4).toString('hex')}`;
}

export function isId(text: string): boolean {
  return new RegExp(`^${idPrefix}[a-z0-9-]+$`).test(text);
}

/** Folders in which those of a cluster may lie. */
export function roots(): readonly string[] {
  return [tmpdir(), memoryRoot];
}

export function foldersOf(id: string): Folders {
  const state = join(tmpdir(), id);
  return { state, etcd: writable(memoryRoot) ? join(memoryRoot, id) : join(state, 'etcd') };
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
