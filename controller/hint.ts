import type { CloneSource } from '../shared/api/datavolume.ts';
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
