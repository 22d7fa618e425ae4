import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Reading past the page cache, so that it is the storage that answers and nothing of others is evicted. */

/** What of it is used here; neither TypeScript's library without a browser's nor Node's types have it. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
};

/** Bytes read at once. */
export const chunkSize = 512 * 1024;

/**
 * A buffer as O_DIRECT wants it: the memory of a WebAssembly instance begins on a page, which that of a Buffer does not.
 */
export function alignedChunk(): Uint8Array {
  return new Uint8Array(new WebAssembly.Memory({ initial: chunkSize / 65_536 }).buffer);
}

/** What lengths have to be a multiple of. */
const page = 4096;

/** The part of a chunk to read so many bytes into: whole pages, as nothing else can be asked for, and no more, as each one costs. */
export function partFor(chunk: Uint8Array, bytes: number): Uint8Array {
  return chunk.subarray(0, Math.ceil(bytes / page) * page);
}

export interface Opened {
  readonly file: FileHandle;
  readonly direct: boolean;
}

/**
 * Opens a file for reading, directly where its file system can. @param flags beside O_RDONLY.
 * @throws Error with the code of errno(3).
 */
export async function openDirect(path: string | Buffer, flags = 0): Promise<Opened> {
  try {
    return { file: await open(path, constants.O_RDONLY | constants.O_DIRECT | flags), direct: true };
  } catch (error) {
    // How open(2) says that it cannot, and not the only way: a file system without it may also say so at the first read.
    if (!isInvalid(error)) throw error;
    return { file: await open(path, constants.O_RDONLY | flags), direct: false };
  }
}

function isInvalid(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EINVAL' || error.code === 'EOPNOTSUPP');
}

/** Fills the buffer from there on, less only at the end of the file. @returns the bytes read. */
export async function readChunk(file: FileHandle, buffer: Uint8Array, position: bigint): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + BigInt(filled));
    filled += bytesRead;
    // An end within a block is the file's: asking on would not be aligned any more.
    if (bytesRead === 0 || filled % 512 !== 0) break;
  }
  return filled;
}
