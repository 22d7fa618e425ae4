import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyKeys } from '../../../shared/api/copy.ts';
import { CopyError, fromErrno } from '../failure.ts';

/** The key that the two pods of a copy have, and nobody else: who has it is let in, and who has not gets nothing. */

/**
 * TLS 1.3 with the key and nothing but it: no certificates exist on either side, so without the key there is nothing that a handshake could
 * go on with. The cipher is the one whose hash goes with keys like this.
 */
const tls = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const;

/** For node:https, for who listens. */
export function serverTls(key: Buffer) {
  return { ...tls, ca: [], pskCallback: (_: unknown, identity: string) => (identity === copyKeys.user ? key : null) };
}

/** For node:https, for who connects: certificates of nobody are believed, whoever signed them. */
export function clientTls(key: Buffer) {
  return { ...tls, ca: [], pskCallback: () => ({ psk: key, identity: copyKeys.user }) };
}

/** @param folder that the key is mounted at. @throws CopyError when there is none. What is in it is never told. */
export async function readKey(folder: string): Promise<Buffer> {
  const path = join(folder, copyKeys.file);
  const hex = new RegExp(`^${copyKeys.user}:([0-9a-f]{64})\\n?$`, 'u').exec(await read(path))?.[1];
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  const wanted = `one line, ${copyKeys.user}: and 64 hexadecimal digits`;
  throw new CopyError('CopyToolFailed', `${path} is not the key of a copy by two pods: ${wanted}`, { retry: false });
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    throw fromErrno(error, `reading the key of the copy, ${path}`);
  }
}
