import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '../../shared/process/clock.ts';
import { alignedChunk, chunkSize, readChunk } from './direct.ts';
import { fromErrno } from './failure.ts';

/** Compares files byte by byte in bounded memory. */

export interface Comparison {
  /** SHA-256 of the source's bytes; the destination's are the same. */
  readonly digest: string;
  /** First byte that is another one, when there is one; the digest then is of what is before. */
  readonly differsAt?: bigint;
}

export interface ComparerOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Bytes per second of each side; 0 for no limit. */
  readonly bandwidth: bigint;
  /** Told of all bytes compared so far, of all files. */
  readonly onDone: (done: bigint) => void;
}

export interface Comparer {
  /**
   * Reads both, at the same time, and compares the first `size` bytes, of which each has to have all.
   * @throws CopyError when reading fails; the signal's reason when it aborts.
   */
  compare(source: FileHandle, destination: FileHandle, size: bigint): Promise<Comparison>;
}

/** What is read of both sides at once. */
type Pair = readonly [source: Uint8Array, destination: Uint8Array];

export function createComparer({ clock, signal, bandwidth, onDone }: ComparerOptions): Comparer {
  // Two of them, so that the next bytes are read while these are hashed.
  let [pair, spare]: readonly [Pair, Pair] = [
    [alignedChunk(), alignedChunk()],
    [alignedChunk(), alignedChunk()],
  ];
  const begun = clock.elapsed();
  let done = 0n;
  const pace = async (): Promise<void> => {
    if (bandwidth === 0n) return;
    const due = begun + Number((done * 1000n) / bandwidth);
    if (due > clock.elapsed()) await clock.sleep(due - clock.elapsed(), signal);
  };
  return {
    compare: async (source, destination, size) => {
      const hash = createHash('sha256');
      const read = startReading(source, destination);
      let reading = read(0n, pair);
      for (let at = 0n; at < size; at += step) {
        signal.throwIfAborted();
        const wanted = size - at < step ? Number(size - at) : chunkSize;
        const length = Math.min(wanted, ...(await reading));
        const [ours, theirs] = pair;
        if (at + step < size) reading = read(at + step, spare);
        const differs = firstDifference(ours, theirs, length);
        hash.update(ours.subarray(0, differs ?? length));
        if (differs !== undefined || length < wanted)
          return { ...ended(hash), differsAt: at + BigInt(differs ?? length) };
        [pair, spare] = [spare, pair];
        done += BigInt(wanted);
        onDone(done);
        await pace();
      }
      return ended(hash);
    },
  };
}

const step = BigInt(chunkSize);

/** @returns a function that begins to read both from there on and resolves to the bytes read of each. */
function startReading(source: FileHandle, destination: FileHandle) {
  return (at: bigint, [ours, theirs]: Pair): Promise<readonly [number, number]> => {
    const reading = Promise.all([
      readSide(source, ours, at, 'the source'),
      readSide(destination, theirs, at, 'the destination'),
    ]);
    // Nobody may be waiting for it any more when it fails.
    reading.catch(() => undefined);
    return reading;
  };
}

function ended(hash: Hash): Comparison {
  return { digest: hash.digest('hex') };
}

async function readSide(file: FileHandle, buffer: Uint8Array, at: bigint, side: string): Promise<number> {
  try {
    return await readChunk(file, buffer, at);
  } catch (error) {
    throw fromErrno(error, `reading ${side} again near byte ${at}`);
  }
}

/** Index of the first byte that differs. */
function firstDifference(a: Uint8Array, b: Uint8Array, length: number): number | undefined {
  if (Buffer.compare(a.subarray(0, length), b.subarray(0, length)) === 0) return undefined;
  let at = 0;
  while (a[at] === b[at]) at += 1;
  return at;
}
