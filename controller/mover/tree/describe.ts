import { constants } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { openDirect } from '../direct.ts';
import { fromErrno } from '../failure.ts';
import { emptyDigest } from '../reading.ts';
import { type Entry, identity, pathOf, shown, walk } from './walk.ts';

/** What of an entry is compared, and in the digest of a tree. */
export interface Description {
  /** Below the root; see {@link Entry}. */
  readonly path: string;
  /** All fields but that of the content, each with a NUL behind it. */
  readonly text: string;
  /** Bytes of the content, of a file that was not described by another name before; undefined for all else. */
  readonly size: bigint | undefined;
}

/** Describes every entry of a tree, in the order of {@link walk}. */
export async function* describeAll(root: string): AsyncGenerator<Description, undefined> {
  const firsts = new Map<string, string>();
  for await (const { path, stat } of walk(root)) {
    const first = stat.nlink > 1n && !stat.isDirectory() ? firsts.get(identity(stat)) : undefined;
    if (stat.nlink > 1n && first === undefined) firsts.set(identity(stat), path);
    const target = stat.isSymbolicLink() ? await readTarget(root, path) : (first ?? '');
    const size = stat.isFile() ? stat.size : 0n;
    const type = first === undefined ? typeOf(stat) : 'link';
    const mode = (stat.mode & 0o7777n).toString(8);
    const fields = [type, mode, stat.uid, stat.gid, size, stat.mtimeMs / 1000n, path, target];
    const text = fields.map((field) => `${field}\0`).join('');
    yield { path, text, size: stat.isFile() && first === undefined ? size : undefined };
  }
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

type File = Awaited<ReturnType<typeof openDirect>>['file'];

/** Opens a file of the tree for reading, past the page cache where that can be, until `use` has ended; one without bytes is not opened. */
export async function withContent(
  root: string,
  { path, size }: Pick<Description, 'path' | 'size'>,
  use: (file: File) => Promise<string>,
): Promise<string> {
  if (size === 0n) return emptyDigest;
  const file = await openContent(root, path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function openContent(root: string, path: string): Promise<File> {
  try {
    return (await openDirect(pathOf(root, path), constants.O_NOFOLLOW)).file;
  } catch (error) {
    throw fromErrno(error, `reading ${shown(path)} again`);
  }
}
