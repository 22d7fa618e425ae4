import type { VolumeMode } from '../api/objects.ts';
import { ceilDivide, formatQuantity } from '../api/quantity.ts';
import type { CloneFacts, SourceFacts } from './facts.ts';

/**
 * The one rule set for sizes, in exact bytes. A filesystem takes a share of its volume for itself; CDI reckons 6 % of the payload, and
 * users size their claims by it, so the same figure and the same rounding to MiB are used here (cdi-behaviour 2.7).
 */

const mebibyte = 1n << 20n;
const overheadPercent = 6n;

/** Bytes of payload that a volume of `size` bytes can hold; on a filesystem less than its size. */
export function usableBytes(size: bigint, mode: VolumeMode): bigint {
  if (mode === 'Block') return size;
  const payload = ceilDivide(size * 100n, 100n + overheadPercent);
  return payload - (payload % mebibyte);
}

/** Bytes that a volume must have to hold `payload` bytes. */
export function requiredBytes(payload: bigint, mode: VolumeMode): bigint {
  if (mode === 'Block') return payload;
  const rounded = ceilDivide(payload, mebibyte) * mebibyte;
  return ceilDivide(rounded * (100n + overheadPercent), 100n);
}

/**
 * The size below which a target cannot hold the source: what its owner asked for, or what the volume has when that is less. A driver
 * may round a volume up, and nobody should have to know to what.
 */
export function sourceSize(source: SourceFacts): bigint | undefined {
  const { requested, capacity } = source;
  if (requested === undefined || capacity === undefined) return requested ?? capacity;
  return requested < capacity ? requested : capacity;
}

/**
 * Bytes that the target volume will have: what is asked for, else what the source's volume has, made larger where a device's content has to
 * go onto a filesystem (cdi-behaviour 2.6); undefined when nobody knows.
 */
export function targetSize({ source, target }: Sized): bigint | undefined {
  if (target.requested !== undefined) return target.requested;
  const size = source.capacity ?? source.requested;
  if (size === undefined) return undefined;
  const grows = source.volumeMode === 'Block' && target.volumeMode === 'Filesystem';
  return larger(grows ? requiredBytes(size, 'Filesystem') : size, target.smallest);
}

/** What sizes follow from. */
interface Sized {
  readonly source: Pick<CloneFacts['source'], 'capacity' | 'requested' | 'volumeMode'>;
  readonly target: Pick<CloneFacts['target'], 'requested' | 'payload' | 'smallest' | 'volumeMode'>;
}

/**
 * Bytes that a disk image is to have in a target that was asked for larger than its source, which then is what the guest gets to see of
 * it; 0 where the image stays as it is. A device is as large as it is.
 */
export function imageSize({ source, target }: Sized): bigint {
  const { requested, volumeMode } = target;
  const had = source.capacity ?? source.requested;
  if (volumeMode === 'Block' || requested === undefined || had === undefined) return 0n;
  const wanted = target.payload ?? usableBytes(requested, 'Filesystem');
  return wanted > usableBytes(had, source.volumeMode ?? 'Filesystem') ? wanted : 0n;
}

/** Why the target is too small for the source, with both numbers; undefined when it is not, or when a size is not known. */
export function tooSmall({ source, target }: CloneFacts): string | undefined {
  const needed = sourceSize(source);
  if (needed === undefined || target.requested === undefined) return undefined;
  const from = source.volumeMode ?? target.volumeMode;
  const made = larger(target.requested, target.smallest);
  const fits =
    from === target.volumeMode ? made >= needed : usableBytes(made, target.volumeMode) >= usableBytes(needed, from);
  if (fits) return undefined;
  const least = from === target.volumeMode ? needed : requiredBytes(usableBytes(needed, from), target.volumeMode);
  // In the terms in which the user has to answer.
  const [asked, ask] = target.payload === undefined ? [target.requested, least] : [target.payload, payloadFor(least)];
  return (
    `the target asks for ${formatQuantity(asked)} (${target.volumeMode}), the source needs ` +
    `${formatQuantity(needed)} (${from}); ask for at least ${formatQuantity(ask)}`
  );
}

/** The least payload in whole MiB for which a filesystem's volume has at least `size` bytes. */
function payloadFor(size: bigint): bigint {
  return ceilDivide(size * 100n, (100n + overheadPercent) * mebibyte) * mebibyte;
}

function larger(size: bigint, other: bigint | undefined): bigint {
  return other !== undefined && other > size ? other : size;
}
