import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** Hours after which an image that nobody has used is removed; each takes a third of a gigabyte, and every change makes another. */
const keptHours = 24;

/** Tells {@link dropOld} that it is in use. */
export async function markUsed(folder: string, now = new Date()): Promise<void> {
  await utimes(folder, now, now);
}

/** Removes the images in the cache that were not used for a day. Their lock files stay: one that is removed locks nobody out. */
export async function dropOld(root: string, now = Date.now()): Promise<void> {
  const names = (await readdir(root)).filter((name) => /^image-[0-9a-f]{16}(?:\.partial)?$/.test(name));
  for (const path of names.map((name) => join(root, name))) {
    const { mtimeMs } = await stat(path);
    if (now - mtimeMs > keptHours * 3_600_000) await rm(path, { recursive: true, force: true });
  }
}
