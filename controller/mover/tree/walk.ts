import type { BigIntStats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { fromErrno } from '../failure.ts';
import { lostAndFound } from './plan.ts';

/**
 * Goes over a tree. Names are any bytes, and Node's strings are not: here each character stands for one byte (latin1), so that every name
 * has exactly one text and texts sort as bytes do.
 */

export interface Entry {
  /** Below the root, without a slash before it; empty for the root itself. */
  readonly path: string;
  readonly stat: BigIntStats;
}

/** For system calls. @param root a folder, as Node writes it, or what leads to one. */
export function pathOf(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), path === '' ? Buffer.from('.') : Buffer.from(path, 'latin1')]);
}

/** A path for people: what is not printable is escaped. */
export function shown(path: string): string {
  const text = Buffer.from(path, 'latin1').toString('utf8');
  return path === '' ? 'the root folder' : JSON.stringify(text);
}

/** Every entry, folders before what is in them, names in the order of their bytes; symbolic links are entries like others. */
export async function* walk(root: string): AsyncGenerator<Entry> {
  const open: string[] = [''];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const stat = await attempt(path, async () => await lstat(pathOf(root, path), { bigint: true }));
    yield { path, stat };
    if (!stat.isDirectory()) continue;
    const names = await namesIn(root, path);
    open.push(...names.toReversed().map((name) => (path === '' ? name : `${path}/${name}`)));
  }
}

/** Names in one folder of the tree, sorted. */
export async function namesIn(root: string, path: string): Promise<readonly string[]> {
  const names = await attempt(path, async () => await readdir(pathOf(root, path), 'latin1'));
  return names.filter((name) => path !== '' || name !== lostAndFound).toSorted((a, b) => (a < b ? -1 : 1));
}

async function attempt<T>(path: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    throw fromErrno(error, `reading ${shown(path)}`);
  }
}

/** Of a file that has several names, the same for all of them. */
export function identity({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
