import type { Verifier } from '../../../shared/trust/keys.ts';
import { type StampReader, type VerifiedStamp, verifyStamp } from '../../../shared/trust/stamp.ts';

/**
 * Opens each stamp once. What a stamp says hangs on its text and the keys alone, and a simulation comes by it on every pass: opening it again
 * each time was three quarters of its CPU time. Whether it belongs to its DataVolume is still looked at every time.
 */
export function openedOnce(verifier: Verifier): StampReader {
  const opened = new Map<string | undefined, Promise<VerifiedStamp>>();
  return async (text) => {
    const known = opened.get(text) ?? verifyStamp(verifier, text);
    opened.set(text, known);
    return known;
  };
}
