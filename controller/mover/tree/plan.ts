import type { Order } from '../arguments.ts';
import { CopyError } from '../failure.ts';
import type { Command } from '../tools.ts';

/**
 * From what is known of two trees to what cp and rsync are to do, and what they said. Pure.
 *
 * cp is as fast as the storage and knows holes, but has no limit and cannot go on with what an earlier attempt has begun; rsync can do both,
 * at a fraction of the speed. So cp fills a destination that is empty, and rsync does all else: it follows cp and sees to what cp left
 * (extended attributes, times of folders, hard links), and does everything where there is a limit or something is there already.
 */

/** Left out: it belongs to the file system (ext4's repair), not to the tree. */
export const lostAndFound = 'lost+found';

/** Copies what it is told on standard input, names with NULs behind them, from the folder that it runs in. */
export function bulkCopy(destination: string, { preallocation }: Pick<Order, 'preallocation'>): Command {
  return {
    // xargs, since there may be more names than fit on a command line, and names may be no UTF-8, which Node cannot hand over there.
    program: 'xargs',
    args: [
      '-0',
      '-r',
      'cp',
      '-dR',
      // Extended attributes are left to rsync, which knows which are to be copied; ACLs go with the mode.
      '--preserve=mode,ownership,timestamps,links',
      preallocation ? '--sparse=never' : '--sparse=always',
      `--target-directory=${destination}`,
      '--',
    ],
  };
}

/**
 * What a tree is made of, for rsync. Device nodes are refused before; one that comes meanwhile is left out and told of. What a sender in another
 * pod cannot read is to be told here, and not there.
 */
const everything = ['-aHAX', '--numeric-ids', '--no-devices', '--stderr=client'];

function filters(user: number): readonly string[] {
  const attributes =
    user === 0
      ? // ACLs are copied as such, and XFS shows them as trusted attributes too. Those need CAP_SYS_ADMIN, which no copy pod has. Labels
        // belong to the node's policy and are given to the volume when it is mounted.
        ['--filter=-x system.*', '--filter=-x trusted.*', '--filter=-x security.selinux']
      : ['--filter=+x user.*', '--filter=-x *'];
  return [`--exclude=/${lostAndFound}`, ...attributes];
}

/** `copied`: from cp, which has just said that it wrote it all. `left`: from an earlier attempt; nobody knows what of it reached the disk. */
export type Found = 'nothing' | 'copied' | 'left';

const trust: Readonly<Record<Found, readonly string[]>> = {
  nothing: [],
  copied: ['--size-only'],
  // Reads both sides, and writes only what differs.
  left: ['--checksum'],
};

export interface SyncPlan {
  /** A folder, or a module of rsync's daemon. */
  readonly source: string;
  readonly destination: string;
  /** Where what is in the destination already, if anything, comes from. */
  readonly found: Found;
  /** The source is in another pod, and has holes. */
  readonly holesFromAfar: boolean;
  readonly user: number;
  readonly order: Pick<Order, 'preallocation' | 'bandwidth'>;
}

export function sync({ source, destination, found, holesFromAfar, user, order }: SyncPlan): Command {
  const { preallocation, bandwidth } = order;
  const args = [
    ...everything,
    '--delete',
    preallocation ? '--preallocate' : '--sparse',
    ...trust[found],
    // rsync reads holes as zeros and sends them. A limit is one of what is read, so there they are sent as they are.
    ...(holesFromAfar && bandwidth === 0n ? ['--compress-choice=lz4'] : []),
    // Times are set where a nanosecond is missing.
    '--modify-window=-1',
    // Without the B the number would be of KiB, of which one is the least that it takes.
    ...(bandwidth > 0n ? [`--bwlimit=${bandwidth < 1024n ? 1024n : bandwidth}B`] : []),
    ...filters(user),
    // Numbers without separators, each as soon as it is known.
    '--no-human-readable',
    '--info=progress2',
    '--outbuf=N',
    ...ends(source, destination),
  ];
  return { program: 'rsync', args };
}

/** What the daemon calls the tree. */
const moduleName = 'source';

/** How rsync names what the export pod hands out. @param port on this machine from which a connection leads there. */
export function originAt(port: number): string {
  return `rsync://127.0.0.1:${port}/${moduleName}`;
}

export interface DaemonPlan {
  readonly source: string;
  readonly user: number;
  /** File that says what others may do. */
  readonly config: string;
}

/** Hands out a tree to who is at the other end of its standard input and output. */
export function daemon({ source, user, config }: DaemonPlan): Command {
  // Root would read as nobody, and only root can see to it that no link leads out; another user can be none but itself.
  const identity = user === 0 ? ['uid=0', 'gid=0', 'use chroot=yes'] : ['use chroot=no'];
  const parameters = [`path=${source}`, ...identity].map((parameter) => `--dparam=${parameter}`);
  return { program: 'rsync', args: ['--server', '--daemon', `--config=${config}`, ...parameters, '.'] };
}

/** Prints what differs by type, mode, owner, time, ACL, extended attribute or hard link, and changes nothing. */
export function comparison({ source, destination, user }: Pick<SyncPlan, 'source' | 'destination' | 'user'>): Command {
  return {
    program: 'rsync',
    args: [
      ...everything,
      '--delete',
      '--dry-run',
      ...filters(user),
      '--out-format=%i %n%L',
      ...ends(source, destination),
    ],
  };
}

/** With slashes: what is in them, and the folders' own attributes. */
function ends(source: string, destination: string): readonly string[] {
  return ['--', `${source}/`, `${destination}/`];
}

/** Brings the file system to the storage; what could not be written there in the background fails here. */
export function flush(destination: string): Command {
  return { program: 'sync', args: ['-f', '--', destination] };
}

/** Bytes that `rsync --info=progress2` says are done; undefined when this piece tells none. */
export function progressIn(text: string): bigint | undefined {
  const done = [...text.matchAll(/(?:^|[\r\n])\s*(\d{1,19})\s+\d{1,3}%/gu)].at(-1)?.[1];
  return done === undefined ? undefined : BigInt(done);
}

/** @throws CopyError when rsync has left something out. @param said its standard error, or output. */
export function requireComplete(said: string): void {
  const left = said.split(/[\r\n]+/u).find((line) => line.includes('skipping non-regular file'));
  if (left !== undefined)
    throw new CopyError('CopyContentInvalid', `rsync found what no tree may hold: ${left}`, { retry: false });
}
