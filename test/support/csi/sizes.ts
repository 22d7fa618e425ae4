import { status } from '@grpc/grpc-js';
import { CsiError } from './errors.ts';
import type { CapacityRange } from './messages.ts';

const MIB = 1024 ** 2;

/** What a volume gets when nobody says how large it should be. */
export const DEFAULT_BYTES = 1024 * MIB;
/** Sizes are multiples of this, so that a loop device never hides an incomplete last sector. */
export const GRANULE_BYTES = 4096;
/** Smaller volumes cannot hold any file system worth mounting. */
export const MIN_BYTES = MIB;
/** Files end at 16 TiB on ext4, where the pool lies unless it has a file system of its own; half of that is plenty. */
export const MAX_BYTES = 8 * 1024 ** 2 * MIB;

/**
 * The size in bytes that a new or grown volume gets: the smallest allowed one that holds `requiredBytes` and `floor`.
 * @param floor what the volume must hold at least: the size of its source, or its size before growing.
 * @throws CsiError OUT_OF_RANGE when no size fits the range, INVALID_ARGUMENT when the range is none.
 */
export function capacityFor(range: CapacityRange | null, floor = 0): number {
  const requiredBytes = parseBytes(range?.requiredBytes, 'required_bytes');
  const limitBytes = parseBytes(range?.limitBytes, 'limit_bytes');
  if (limitBytes > 0 && requiredBytes > limitBytes) {
    throw new CsiError(status.INVALID_ARGUMENT, `required_bytes ${requiredBytes} is above limit_bytes ${limitBytes}`);
  }
  const wanted = Math.max(requiredBytes || floor || defaultWithin(limitBytes), floor, MIN_BYTES);
  const bytes = Math.ceil(wanted / GRANULE_BYTES) * GRANULE_BYTES;
  if (limitBytes > 0 && bytes > limitBytes) {
    throw new CsiError(
      status.OUT_OF_RANGE,
      `the smallest possible size is ${bytes} bytes, above limit_bytes ${limitBytes}`,
    );
  }
  if (bytes > MAX_BYTES) throw tooLarge(bytes);
  return bytes;
}

/** Whether a volume that exists with `bytes` is what a request for this range asks for. */
export function fits(bytes: number, range: CapacityRange | null): boolean {
  const limitBytes = parseBytes(range?.limitBytes, 'limit_bytes');
  return bytes >= parseBytes(range?.requiredBytes, 'required_bytes') && (limitBytes === 0 || bytes <= limitBytes);
}

function defaultWithin(limitBytes: number): number {
  if (limitBytes === 0) return DEFAULT_BYTES;
  return Math.min(DEFAULT_BYTES, Math.floor(limitBytes / GRANULE_BYTES) * GRANULE_BYTES);
}

function parseBytes(text: string | undefined, field: string): number {
  const bytes = BigInt(text ?? '0');
  if (bytes < 0n) throw new CsiError(status.INVALID_ARGUMENT, `${field} ${bytes} is negative`);
  if (bytes > BigInt(MAX_BYTES) && field === 'required_bytes') throw tooLarge(bytes);
  // An upper bound beyond what any volume can have bounds nothing more than MAX_BYTES does.
  return Number(bytes > BigInt(MAX_BYTES) ? BigInt(MAX_BYTES) : bytes);
}

function tooLarge(bytes: number | bigint): CsiError {
  return new CsiError(status.OUT_OF_RANGE, `${bytes} bytes are more than the largest volume, ${MAX_BYTES} bytes`);
}
