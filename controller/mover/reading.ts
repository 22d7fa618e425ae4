import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '../../shared/process/clock.ts';
import { alignedChunk, chunkSize, partFor, readChunk } from './direct.ts';
import { CopyError, fromErrno } from './failure.ts';

/** Reads files again in bounded memory: two side by side, or one for its digest. */

export interface Comparison {
  /** SHA-256 of the source's bytes; the destination's are the same. */
  readonly digest: string;
  /** First byte that is another one, when there is one; the digest then is of what is before. */
  readonly differsAt?: bigint;
}

export interface ReaderOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Bytes per second of each side; 0 for no limit. */
  readonly bandwidth: bigint;
  /** Told of all bytes gone over so far, of all files. */
  readonly onDone: (done: bigint) => void;
}

/** How far a digest is: the bytes of the file that are in it, and what it is of these alone. */
export interface Mark {
  readonly done: bigint;
  readonly digest: string;
}

/** Which file, for people. */
type Side = 'source' | 'destination';

/** Several files may be read at the same time; the memory that was needed is kept. */
export interface Reader {
  /**
   * Reads both, at the same time, and compares the first `size` bytes, of which each has to have all.
   * @throws CopyError when reading fails; the signal's reason when it aborts.
   */
  compare(source: FileHandle, destination: FileHandle, size: bigint): Promise<Comparison>;
  /**
   * Reads the first `size` bytes, and tells of their SHA-256 every {@link markEvery} bytes and at the end.
   * @throws CopyError when there are fewer, or reading fails; the signal's reason when it aborts.
   */
  marks(file: FileHandle, size: bigint, side: Side): AsyncGenerator<Mark, undefined>;
  /** The last of {@link marks}: hexadecimal SHA-256 of all of it. */
  digest(file: FileHandle, size: bigint, side: Side): Promise<string>;
}

/** Bytes between two marks. */
export const markEvery = 16n << 20n;

/** SHA-256 of nothing. */
export const emptyDigest = createHash('sha256').digest('hex');

export function createReader({ clock, signal, bandwidth, onDone }: ReaderOptions): Reader {
  const stretches = createLanes();
  const begun = clock.elapsed();
  let done = 0n;
  const advance = async (bytes: number): Promise<void> => {
    signal.throwIfAborted();
    done += BigInt(bytes);
    onDone(done);
    if (bandwidth === 0n) return;
    const due = begun + Number((done * 1000n) / bandwidth);
    if (due > clock.elapsed()) await clock.sleep(due - clock.elapsed(), signal);
  };
  const marks: Reader['marks'] = async function* marks(file, size, side) {
    const hash = createHash('sha256');
    let at = 0n;
    for await (const stretch of stretches(file, size, side)) {
      hash.update(stretch);
      if (stretch.length < lengthAt(at, size))
        throw new CopyError('CopyVerificationFailed', `the ${side} ends at byte ${at + BigInt(stretch.length)}`);
      at += BigInt(stretch.length);
      if (at % markEvery === 0n && at < size) yield { done: at, digest: hash.copy().digest('hex') };
      await advance(stretch.length);
    }
    yield { done: size, digest: hash.digest('hex') };
    return undefined;
  };
  return {
    compare: async (source, destination, size) => {
      const hash = createHash('sha256');
      const copies = stretches(destination, size, 'destination');
      let at = 0n;
      try {
        for await (const stretch of stretches(source, size, 'source')) {
          const copy = (await copies.next()).value ?? nothing;
          const wanted = lengthAt(at, size);
          const length = Math.min(wanted, stretch.length, copy.length);
          const differs = firstDifference(stretch, copy, length);
          hash.update(stretch.subarray(0, differs ?? length));
          if (differs !== undefined || length < wanted)
            return { digest: hash.digest('hex'), differsAt: at + BigInt(differs ?? length) };
          at += BigInt(wanted);
          await advance(wanted);
        }
        return { digest: hash.digest('hex') };
      } finally {
        await copies.return(undefined);
      }
    },
    marks,
    digest: async (file, size, side) => {
      let last = emptyDigest;
      for await (const { digest } of marks(file, size, side)) last = digest;
      return last;
    },
  };
}

const step = BigInt(chunkSize);
const nothing = new Uint8Array();

function lengthAt(at: bigint, size: bigint): number {
  return size - at < step ? Number(size - at) : chunkSize;
}

/** @returns what reads a file: into two chunks where it does not fit into one, so that the next is read while one is used. */
function createLanes() {
  const free: Uint8Array[] = [];
  const take = (): Uint8Array => free.pop() ?? alignedChunk();
  /** A piece is good until the next is asked for; the last is shorter than it should be, or empty, where the file ends too early. */
  return async function* stretches(file: FileHandle, size: bigint, side: Side): AsyncGenerator<Uint8Array, undefined> {
    if (size === 0n) return;
    let chunk = take();
    let spare = size > step ? take() : chunk;
    try {
      let reading = readAt(file, partFor(chunk, lengthAt(0n, size)), 0n, side);
      for (let at = 0n; at < size; at += step) {
        const wanted = lengthAt(at, size);
        const length = Math.min(wanted, await reading);
        const next = at + step;
        const isLast = length < wanted || next >= size;
        if (!isLast) reading = readAt(file, partFor(spare, lengthAt(next, size)), next, side);
        yield chunk.subarray(0, length);
        if (isLast) return;
        [chunk, spare] = [spare, chunk];
      }
    } finally {
      free.push(...new Set([chunk, spare]));
    }
  };
}

function readAt(file: FileHandle, chunk: Uint8Array, at: bigint, side: Side): Promise<number> {
  const reading = readSide(file, chunk, at, side);
  // Nobody may be waiting for it any more when it fails.
  reading.catch(() => undefined);
  return reading;
}

async function readSide(file: FileHandle, chunk: Uint8Array, at: bigint, side: Side): Promise<number> {
  try {
    return await readChunk(file, chunk, at);
  } catch (error) {
    throw fromErrno(error, `reading the ${side} again near byte ${at}`, side === 'source' ? side : undefined);
  }
}

/** Index of the first byte that differs. */
function firstDifference(a: Uint8Array, b: Uint8Array, length: number): number | undefined {
  if (Buffer.compare(a.subarray(0, length), b.subarray(0, length)) === 0) return undefined;
  let at = 0;
  while (a[at] === b[at]) at += 1;
  return at;
}
