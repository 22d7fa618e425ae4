import { type CloneSource, type DataVolume, namedSource } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import { decodeClaims, StampError } from '../shared/trust/claims.ts';

/**
 * The source that a stamp speaks of, without any check of the stamp: good for finding the DataVolumes that a change may concern, and for
 * nothing else. Never throws.
 */
export function hintedSource(stamp: string | undefined): CloneSource | undefined {
  const payload = stamp?.split('.', 2)[1];
  if (payload === undefined) return undefined;
  try {
    return decodeClaims(Buffer.from(payload, 'base64url').toString()).claims.source;
  } catch (error) {
    if (error instanceof StampError) return undefined;
    throw error;
  }
}

/**
 * What a change has to wake the DataVolume for: the source that it names, or where a DataSource led at admission. The stamp is only read
 * here, not verified; a forged one wakes its own DataVolume for nothing.
 */
export function sourcesOf(volume: DataVolume): readonly CloneSource[] {
  const source = namedSource(volume) ?? hintedSource(volume.metadata.annotations?.[annotations.stamp]);
  return source === undefined ? [] : [source];
}
