import type { Order } from '../arguments.ts';
import { CopyError } from '../failure.ts';
import type { Command } from '../tools.ts';

/**
 * From what is known of two disk images to what qemu-img and qemu-nbd are to do. Pure.
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

/** What a file system has, in bytes: in all, and for this user now. What can be used of it shows only while it is used, as holes and compression take none. */
export interface Room {
  readonly size: bigint;
  readonly available: bigint;
}

/** The source as the export pod hands it out. */
export interface RemoteImage {
  /** On this machine; a connection to it comes out at the pod's qemu-nbd. */
  readonly port: number;
}

export type SourceFacts = ImageFacts | RemoteImage;

export interface ImagePlan {
  readonly source: SourceFacts;
  /** A file is new, and has its size already: all that is not written reads as zeros. */
  readonly destination: ImageFacts;
  readonly order: Pick<Order, 'preallocation' | 'bandwidth'>;
}

const program = 'qemu-img';
/** What a tool's third and fourth descriptors are called; opening these opens the same files again. */
const firstFile = '/proc/self/fd/3';
const secondFile = '/proc/self/fd/4';

/** Tells the size of the device that is the tool's third descriptor. */
export const inspection: Command = { program, args: ['info', '-f', 'raw', '--output=json', firstFile] };

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

/** Reserves every block of a new file, the tool's third descriptor, which still reads as zeros; what does not fit fails here, before anything is copied. */
export function reservation(size: bigint): Command {
  return { program, args: ['create', '-q', '-f', 'raw', '-o', 'preallocation=falloc', firstFile, String(size)] };
}

/** Into the tool's third descriptor, from its fourth or from the export pod. */
export function conversion({ source, destination, order }: ImagePlan): Command {
  const { isDevice } = destination;
  const { preallocation, bandwidth } = order;
  const from = 'port' in source ? remote(source) : local(source);
  const args = [
    'convert',
    '-p',
    // In place.
    '-n',
    '-O',
    'raw',
    // Out of order. In order it has but one write at a time under way, and without a page cache it is they alone that keep a storage busy.
    '-W',
    ...from.args,
    '-t',
    cacheOf(destination),
    // A device may hold anything, so zeros are written there too (as a discard where it promises zeros).
    ...(isDevice ? [] : ['--target-is-zero']),
    // Every zero is written out, since there is no other way to make a device allocate.
    ...(isDevice && preallocation ? ['-S', '0'] : []),
    ...(bandwidth > 0n ? ['-r', String(bandwidth)] : []),
  ];
  return { program, args: [...args, from.name, firstFile] };
}

interface From {
  readonly args: readonly string[];
  readonly name: string;
}

function local(source: ImageFacts): From {
  return { args: ['-f', 'raw', '-T', cacheOf(source)], name: secondFile };
}

/** Past the page cache where that can be. */
function cacheOf({ direct }: ImageFacts): string {
  return direct ? 'none' : 'writeback';
}

/** Name by which qemu-nbd hands out the source. */
const exportName = 'source';

function remote({ port }: RemoteImage): From {
  const options = {
    driver: 'raw',
    'file.driver': 'nbd',
    'file.server.type': 'inet',
    'file.server.host': '127.0.0.1',
    'file.server.port': port,
    'file.export': exportName,
  };
  return {
    args: ['--image-opts'],
    name: Object.entries(options)
      .map(([name, value]) => `${name}=${value}`)
      .join(','),
  };
}

/** Connections at once: one that is in use, one that looks, and some of a pod that is gone and that the kernel does not know of yet. */
const mostConnections = 8;

/** Hands out the tool's third descriptor, for reading, until it is ended. @param socket path of the Unix socket to listen on. */
export function serving(source: ImageFacts, socket: string): Command {
  return {
    program: 'qemu-nbd',
    args: [
      '--read-only',
      '--persistent',
      `--shared=${mostConnections}`,
      '--format=raw',
      `--cache=${cacheOf(source)}`,
      `--socket=${socket}`,
      `--export-name=${exportName}`,
      firstFile,
    ],
  };
}

/** Share of the work in what `qemu-img -p` prints, in hundredths of a percent; undefined when this piece tells none. */
export function progressIn(text: string): bigint | undefined {
  const [, whole, fraction] = [...text.matchAll(/\((\d{1,3})\.(\d\d)\/100%\)/gu)].at(-1) ?? [];
  return whole === undefined || fraction === undefined ? undefined : BigInt(whole) * 100n + BigInt(fraction);
}
