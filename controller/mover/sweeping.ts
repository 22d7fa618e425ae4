import type { Readable } from 'node:stream';

/**
 * Keeps what is of no use any more from piling up. V8 collects when its heap has grown, and counts little of what lies outside of it: buffers
 * of streams, open files, hashes. So tens of MiB would lie about that a collection of a few milliseconds gets rid of.
 */

/** `minor`: what is young only. */
type Generation = 'minor' | 'major';

/** @returns to be told what was used; each time that it comes to so much, is collected. */
export function createSweeper(type: Generation, every: number): (used: number) => void {
  let sum = 0;
  return (used) => {
    sum += used;
    if (sum < every) return;
    sum = 0;
    // There with `--expose-gc`; without it, memory is all that differs.
    globalThis.gc?.({ type });
  };
}

/** Bytes. */
const stretch = 1 << 20;

/** Of a stream whose pieces only go through this program. */
export function sweepBehind(stream: Readable): void {
  const sweep = createSweeper('minor', stretch);
  stream.on('data', ({ length }: Buffer) => sweep(length));
}
