import { copyKeys } from '../../shared/api/copy.ts';

/** Bytes of a key. */
const length = 32;

/**
 * The text of a new key that two pods know each other by, in the form of GnuTLS's psktool.
 * @param random as many unpredictable bytes as are asked for.
 */
export function createKey(random: (size: number) => Uint8Array): string {
  return `${copyKeys.user}:${Buffer.from(random(length)).toString('hex')}\n`;
}
