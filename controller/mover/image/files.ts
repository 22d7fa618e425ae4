import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, statfs, unlink } from 'node:fs/promises';
import { diskImage } from '../../../shared/api/copy.ts';
import type { VolumeMode } from '../arguments.ts';
import { openDirect } from '../direct.ts';
import { CopyError, fromErrno } from '../failure.ts';
import { imagePath } from '../paths.ts';
import type { ImageFacts, Room } from './plan.ts';

/** Opens the two disk images, once, by names that lead nowhere else. */

export interface OpenImage extends ImageFacts {
  readonly path: string;
  /** Open until the copy ends: what is done by this descriptor is done to this file, whatever is renamed meanwhile. */
  readonly file: FileHandle;
}

/** @throws CopyError when there is none, or something else in its place. @param volume the folder or the device. */
export async function openSource(volume: string, mode: VolumeMode): Promise<OpenImage> {
  const path = imagePath(volume, mode);
  const file = await openImage(path, constants.O_RDONLY);
  return await checked(file, path, mode);
}

/** Opens a device, or makes a new `disk.img` in the place of one that an earlier attempt has left. */
export async function openDestination(volume: string, mode: VolumeMode): Promise<OpenImage> {
  const path = imagePath(volume, mode);
  if (mode === 'Block') return await checked(await openImage(path, constants.O_RDWR), path, mode);
  await removeOld(path);
  return await checked(await openImage(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL), path, mode);
}

async function openImage(path: string, flags: number): Promise<FileHandle> {
  try {
    // Without waiting for somebody at the other end of a fifo, and not through a symbolic link.
    return await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o660);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') throw new CopyError('CopyContentInvalid', `there is no ${path}`, { cause: error });
    if (code === 'ELOOP') throw notAnImage(path, 'a symbolic link', error);
    throw fromErrno(error, `opening ${path}`);
  }
}

async function removeOld(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
      throw fromErrno(error, `removing what an earlier attempt has left at ${path}`);
  }
}

async function checked(file: FileHandle, path: string, mode: VolumeMode): Promise<OpenImage> {
  try {
    const isDevice = mode === 'Block';
    const stat = await file.stat();
    if (isDevice ? !stat.isBlockDevice() : !stat.isFile()) throw notAnImage(path, kindOf(stat));
    return { path, file, isDevice, direct: await isDirect(file) };
  } catch (error) {
    await file.close();
    throw fromErrno(error, `opening ${path}`);
  }
}

function notAnImage(path: string, found: string, cause?: unknown): CopyError {
  const wanted = path.endsWith(`/${diskImage}`) ? 'a regular file' : 'a block device';
  return new CopyError('CopyContentInvalid', `${path} is ${found}, not ${wanted}`, { cause });
}

function kindOf(stat: Stats): string {
  if (stat.isFile()) return 'a regular file';
  if (stat.isDirectory()) return 'a folder';
  if (stat.isBlockDevice()) return 'a block device';
  return 'a character device, a fifo or a socket';
}

async function isDirect(file: FileHandle): Promise<boolean> {
  const { file: again, direct } = await reopenDirect(file);
  await again.close();
  return direct;
}

/** The same file once more, for reading past the page cache. */
export async function reopenDirect(file: FileHandle): ReturnType<typeof openDirect> {
  return await openDirect(`/proc/self/fd/${file.fd}`);
}

export async function roomIn(folder: string): Promise<Room> {
  const { blocks, bavail, bsize } = await statfs(folder, { bigint: true });
  return { size: blocks * bsize, available: bavail * bsize };
}
