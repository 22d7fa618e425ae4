import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../support/csi/command.ts';

/** Backing files of volumes, looked at from outside: as they are, or as what a file system in them holds. */

export const mebibyte = 1024 ** 2;

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes that repeat nowhere in them and are the same for the same word. */
export function bytesOf(word: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 32) createHash('sha256').update(`${word} ${at}`).digest().copy(bytes, at);
  return bytes;
}

/** An ext4 file system of `size` bytes with one file in it, `payload`. */
export async function fileSystemWith(payload: Uint8Array, size: number): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'clonegate-disk-'));
  try {
    const content = join(folder, 'content');
    const image = join(folder, 'image');
    await mkdir(content);
    await writeFile(join(content, 'payload'), payload);
    await run('mkfs.ext4', '-q', '-d', content, image, `${size / mebibyte}M`);
    return await readFile(image);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Into a file that a program holds open, in place. */
export async function overwrite(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.write(bytes, 0, bytes.length, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The file `payload` of the ext4 file system in a backing file, read without mounting it. */
export async function payloadIn(file: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'clonegate-disk-'));
  try {
    const out = join(folder, 'payload');
    await run('debugfs', '-R', `dump /payload ${out}`, file);
    return await readFile(out);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes that the ext4 file system in a backing file extends over. */
export async function fileSystemSize(file: string): Promise<number> {
  const text = await run('dumpe2fs', '-h', file);
  const figure = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(text)?.[1]);
  return figure('Block count') * figure('Block size');
}
