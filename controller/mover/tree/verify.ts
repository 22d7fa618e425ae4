import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { readlink } from 'node:fs/promises';
import type { Order } from '../arguments.ts';
import { type Comparer, createComparer } from '../compare.ts';
import type { Context } from '../context.ts';
import { openDirect } from '../direct.ts';
import { CopyError, fromErrno } from '../failure.ts';
import { comparison } from './plan.ts';
import type { Survey } from './survey.ts';
import { type Entry, identity, pathOf, shown, walk } from './walk.ts';

/**
 * Reads two trees again, side by side, and makes the digest of what they have in common. It is SHA-256 over one record for each entry, in
 * the order of the walk: type, mode (octal), uid, gid, bytes of a file, time of modification (whole seconds, as not every file system
 * keeps more), path, target of a symbolic link or first path of a file with several names, SHA-256 of a file's content; each field
 * ends with a NUL and each record with a line feed. ACLs and extended attributes are compared by rsync, since Node cannot read them,
 * and are not in the digest.
 */

/** @returns `sha256:…`. @throws CopyError when they differ. */
export async function verifyTree(order: Order, { bytes }: Survey, context: Context): Promise<string> {
  const { paths, clock, signal, meter, user, tools } = context;
  const onDone = meter.begin('verifying', bytes);
  onDone(0n);
  const comparer = createComparer({ clock, signal, bandwidth: order.bandwidth, onDone });
  const [ours, theirs] = [createDescriber(paths.source), createDescriber(paths.destination)];
  const hash = createHash('sha256');
  const copies = walk(paths.destination);
  for await (const entry of walk(paths.source)) {
    signal.throwIfAborted();
    const copy = await nextOf(copies);
    const [wanted, found] = [await ours(entry), copy === undefined ? undefined : await theirs(copy)];
    if (wanted.text !== found?.text)
      throw differs(entry.path, `it is ${words(wanted.text)}, the copy ${words(found?.text)}`);
    hash.update(wanted.text, 'latin1');
    if (wanted.hasContent) hash.update(await compareContent(comparer, paths, entry));
    hash.update('\0\n');
  }
  const more = await nextOf(copies);
  if (more !== undefined) throw differs(more.path, 'only the copy has it');
  let left = '';
  await tools.run(comparison({ ...paths, user }), {
    onOutput: (text) => {
      left = (left + text).slice(0, 1000);
    },
  });
  if (left !== '')
    throw new CopyError('CopyVerificationFailed', `rsync still finds differences: ${left.split('\n')[0]}`);
  return `sha256:${hash.digest('hex')}`;
}

async function nextOf(entries: AsyncGenerator<Entry>): Promise<Entry | undefined> {
  const { value, done } = await entries.next();
  return done === true ? undefined : value;
}

interface Description {
  /** All fields but that of the content. */
  readonly text: string;
  readonly hasContent: boolean;
}

/** @returns a function that is to be called for every entry of the tree in order: it remembers first names. */
export function createDescriber(root: string): (entry: Entry) => Promise<Description> {
  const firsts = new Map<string, string>();
  return async ({ path, stat }) => {
    const first = stat.nlink > 1n && !stat.isDirectory() ? firsts.get(identity(stat)) : undefined;
    if (stat.nlink > 1n && first === undefined) firsts.set(identity(stat), path);
    const target = stat.isSymbolicLink() ? await readTarget(root, path) : (first ?? '');
    const size = stat.isFile() ? stat.size : 0n;
    const type = first === undefined ? typeOf(stat) : 'link';
    const mode = (stat.mode & 0o7777n).toString(8);
    const fields = [type, mode, stat.uid, stat.gid, size, stat.mtimeMs / 1000n, path, target];
    return { text: fields.map((field) => `${field}\0`).join(''), hasContent: stat.isFile() && first === undefined };
  };
}

function typeOf(stat: Entry['stat']): string {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'folder';
  if (stat.isSymbolicLink()) return 'symlink';
  return stat.isFIFO() ? 'fifo' : 'other';
}

async function readTarget(root: string, path: string): Promise<string> {
  try {
    return (await readlink(pathOf(root, path), 'buffer')).toString('latin1');
  } catch (error) {
    throw fromErrno(error, `reading ${shown(path)}`);
  }
}

async function compareContent(
  comparer: Comparer,
  { source, destination }: Context['paths'],
  { path, stat }: Entry,
): Promise<string> {
  if (stat.size === 0n) return createHash('sha256').digest('hex');
  const ours = await openFile(source, path);
  try {
    const theirs = await openFile(destination, path);
    try {
      const { digest, differsAt } = await comparer.compare(ours.file, theirs.file, stat.size);
      if (differsAt === undefined) return digest;
      throw differs(path, `its content does from byte ${differsAt} on`);
    } finally {
      await theirs.file.close();
    }
  } finally {
    await ours.file.close();
  }
}

async function openFile(root: string, path: string): ReturnType<typeof openDirect> {
  try {
    return await openDirect(pathOf(root, path), constants.O_NOFOLLOW);
  } catch (error) {
    throw fromErrno(error, `reading ${shown(path)} again`);
  }
}

function differs(path: string, how: string): CopyError {
  return new CopyError('CopyVerificationFailed', `the copy differs at ${shown(path)}: ${how}`);
}

function words(description: string | undefined): string {
  if (description === undefined) return 'has nothing more';
  return JSON.stringify(Buffer.from(description, 'latin1').toString('utf8').split('\0').slice(0, -1).join(' '));
}
