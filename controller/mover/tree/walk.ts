import { type BigIntStats, lstatSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { fromErrno } from '../failure.ts';
import { createSweeper } from '../sweeping.ts';
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
export function pathOf(root: string, path: string): string | Buffer {
  // What is ASCII is the same either way, and a text leaves no buffer behind.
  if (ascii.test(path)) return `${root}/${path === '' ? '.' : path}`;
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
}

const ascii = /^\p{ASCII}*$/u;

/** A path for people: what is not printable is escaped. */
export function shown(path: string): string {
  const text = Buffer.from(path, 'latin1').toString('utf8');
  return path === '' ? 'the root folder' : JSON.stringify(text);
}

/** Entries after which signals and timers have their turn. */
const stretch = 64;
/** Entries after which what they have left behind is collected: whoever asks for them does something with each. */
const sweepAfter = 1024;

/**
 * Every entry, folders before what is in them, names in the order of their bytes; symbolic links are entries like others. They are looked
 * at synchronously: to hand each of them to a thread and back takes ten times as long and leaves ten times as much behind on the heap.
 */
export async function* walk(root: string): AsyncGenerator<Entry> {
  const open: string[] = [''];
  const sweep = createSweeper('major', sweepAfter);
  let count = 0;
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if ((count += 1) % stretch === 0) await setImmediate();
    sweep(1);
    const stat = attempt(path, () => lstatSync(pathOf(root, path), { bigint: true }));
    yield { path, stat };
    if (!stat.isDirectory()) continue;
    const names = await namesIn(root, path);
    open.push(...names.toReversed().map((name) => (path === '' ? name : `${path}/${name}`)));
  }
}

/** Names in one folder of the tree, sorted. */
export async function namesIn(root: string, path: string): Promise<readonly string[]> {
  const names = await readdir(pathOf(root, path), 'latin1').catch((error: unknown) => {
    throw fromErrno(error, `reading ${shown(path)}`);
  });
  return names.filter((name) => path !== '' || name !== lostAndFound).toSorted((a, b) => (a < b ? -1 : 1));
}

function attempt<T>(path: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw fromErrno(error, `reading ${shown(path)}`);
  }
}

/** Of a file that has several names, the same for all of them. */
export function identity({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
