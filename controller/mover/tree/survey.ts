import type { BigIntStats } from 'node:fs';
import { CopyError } from '../failure.ts';
import { identity, shown, walk } from './walk.ts';

/** Looks over a tree before it is copied. */

export interface Survey {
  readonly entries: number;
  /** Bytes of all files, holes included; a file with several names counts once. */
  readonly bytes: bigint;
  /** Bytes of these that take space. */
  readonly allocated: bigint;
}

/**
 * @param user that this runs as: another than root may give files to nobody else, so all must be its own.
 * @throws CopyError when there is something that cannot be copied.
 */
export async function survey(root: string, user: number, signal: AbortSignal): Promise<Survey> {
  const seen = new Set<string>();
  let [entries, bytes, allocated] = [0, 0n, 0n];
  for await (const { path, stat } of walk(root)) {
    signal.throwIfAborted();
    requireKind(path, stat);
    requireOwner(path, stat, user);
    entries += 1;
    if (!stat.isFile() || (stat.nlink > 1n && seen.has(identity(stat)))) continue;
    if (stat.nlink > 1n) seen.add(identity(stat));
    const taken = stat.blocks * 512n;
    bytes += stat.size;
    allocated += taken < stat.size ? taken : stat.size;
  }
  return { entries, bytes, allocated };
}

/** Devices lead out of the volume, and a socket means that somebody listens; a fifo is only a name. */
function requireKind(path: string, stat: BigIntStats): void {
  const kind = stat.isBlockDevice() || stat.isCharacterDevice() ? 'a device node' : stat.isSocket() ? 'a socket' : '';
  if (kind === '') return;
  throw new CopyError('CopyContentInvalid', `${shown(path)} is ${kind}, which a copy of a tree does not take along`);
}

function requireOwner(path: string, stat: BigIntStats, user: number): void {
  if (user === 0 || stat.uid === BigInt(user)) return;
  const why = `${shown(path)} belongs to user ${stat.uid}, and this runs as user ${user}, who cannot give files away`;
  throw new CopyError('CopyPermissionDenied', `${why}: only root copies a tree of several users`);
}
