import type { Order } from '../arguments.ts';
import { CopyError } from '../failure.ts';
import type { Command } from '../tools.ts';
import type { Room } from './files.ts';

/**
 * From what is known of two disk images to what qemu-img is to do. Pure.
 *
 * The format is always said, `raw`, and never looked for: a guest writes what it likes into its disk, also the header of another format that
 * names files of this pod as its content. The images are open files, handed over as descriptors, so that no name is followed twice.
 */

/** One side, as it was opened. */
export interface ImageFacts {
  readonly isDevice: boolean;
  /** Whether it can be read and written past the page cache. */
  readonly direct: boolean;
}

export interface ImagePlan {
  readonly source: ImageFacts;
  /** A file is new, and has its size already: all that is not written reads as zeros. */
  readonly destination: ImageFacts;
  readonly order: Pick<Order, 'preallocation' | 'bandwidth'>;
}

const program = 'qemu-img';
/** What a tool's third and fourth descriptors are called; opening these opens the same files again. */
const sourceFile = '/proc/self/fd/3';
const destinationFile = '/proc/self/fd/4';

/** Tells the size of the device that is the tool's third descriptor. */
export const inspection: Command = { program, args: ['info', '-f', 'raw', '--output=json', sourceFile] };

/** @throws CopyError when that is not what {@link inspection} prints. */
export function sizeFrom(json: string): bigint {
  // Not JSON.parse: sizes may be larger than what its numbers hold.
  const size = /"virtual-size":\s*(\d{1,19})\b/u.exec(json)?.[1];
  if (size === undefined) throw new CopyError('CopyToolFailed', 'qemu-img info told no size');
  return BigInt(size);
}

const mebibyte = 1n << 20n;

/**
 * Bytes that the destination has to have. An image that is to grow grows to what its file system has for it and no further: how much that
 * takes for itself nobody knew who asked for the volume, and an image that cannot be filled stops its guest.
 * @param size of the source. @param room of the file system; undefined for a device, whose size is its own.
 * @throws CopyError when there is nothing to copy.
 */
export function sizeWanted(size: bigint, imageSize: bigint, room: Pick<Room, 'available'> | undefined): bigint {
  if (size === 0n) throw new CopyError('CopyContentInvalid', 'the source is empty: a disk image of 0 bytes');
  if (room === undefined) return size;
  const most = room.available - (room.available % mebibyte);
  const grown = imageSize < most ? imageSize : most;
  return grown < size ? size : grown;
}

/** @throws CopyError when the image is larger than what is to hold it. @param room bytes of the device or the file system. */
export function requireRoom(wanted: bigint, room: bigint, holder: string): void {
  if (wanted <= room) return;
  throw new CopyError('CopyTargetTooSmall', `the disk image has ${wanted} bytes and ${holder} only ${room}`);
}

/** Reserves every block of a new file, which still reads as zeros; what does not fit fails here, before anything is copied. */
export function reservation(size: bigint): Command {
  return { program, args: ['create', '-q', '-f', 'raw', '-o', 'preallocation=falloc', destinationFile, String(size)] };
}

export function conversion({ source, destination, order }: ImagePlan): Command {
  const { isDevice } = destination;
  const { preallocation, bandwidth } = order;
  const args = [
    ...conversionOf(source, destination),
    // A device may hold anything, so zeros are written there too (as a discard where it promises zeros).
    ...(isDevice ? [] : ['--target-is-zero']),
    // Every zero is written out, since there is no other way to make a device allocate.
    ...(isDevice && preallocation ? ['-S', '0'] : []),
    // Out of order where it makes no file fragmented.
    ...(isDevice || preallocation ? ['-W'] : []),
    ...(bandwidth > 0n ? ['-r', String(bandwidth)] : []),
  ];
  return { program, args: [...args, sourceFile, destinationFile] };
}

/** In place, with progress, past the page cache where that can be. */
function conversionOf(source: ImageFacts, destination: ImageFacts): readonly string[] {
  const cache = ({ direct }: ImageFacts): string => (direct ? 'none' : 'writeback');
  return ['convert', '-p', '-n', '-f', 'raw', '-O', 'raw', '-T', cache(source), '-t', cache(destination)];
}

/** Share of the work in what `qemu-img -p` prints, in hundredths of a percent; undefined when this piece tells none. */
export function progressIn(text: string): bigint | undefined {
  const [, whole, fraction] = [...text.matchAll(/\((\d{1,3})\.(\d\d)\/100%\)/gu)].at(-1) ?? [];
  return whole === undefined || fraction === undefined ? undefined : BigInt(whole) * 100n + BigInt(fraction);
}
