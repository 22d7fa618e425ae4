import {
  createCipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

/**
 * What is made for each admitted clone, in its one spelling: a compact JWS by Ed25519 (RFC 7515, RFC 8037) and a compact JWE by ECDH-ES over
 * X25519 with A256GCM, deflated (RFC 7516, RFC 7518 4.6). By node:crypto's synchronous calls, and not by `jose`, because that goes by
 * WebCrypto: each of its dozen steps is handed to a thread and back, which takes two to three times the CPU time (figures: DECISIONS.md).
 * Whatever is read is read by `jose`, and a test has it read these.
 */

/** Header parameters beside `alg`, `enc` and `epk`. */
export interface Named {
  readonly kid: string;
  readonly typ: string;
}

const part = (content: string | Uint8Array): string => Buffer.from(content).toString('base64url');

/** @param key private, Ed25519. */
export function signCompact(payload: string, { kid, typ }: Named, key: KeyObject): string {
  const input = `${part(JSON.stringify({ alg: 'EdDSA', kid, typ }))}.${part(payload)}`;
  return `${input}.${part(sign(null, Buffer.from(input), key))}`;
}

const enc = 'A256GCM';
/** Bytes, of A256GCM (RFC 7518, 5.3). */
const keyLength = 32;
const ivLength = 12;

/** @param key public, X25519: only the private key to it opens what comes out. */
export function sealCompact(content: Buffer, { kid, typ }: Named, key: KeyObject): string {
  const ephemeral = generateKeyPairSync('x25519');
  const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: key });
  const { kty, crv, x } = ephemeral.publicKey.export({ format: 'jwk' });
  const parameters = { alg: 'ECDH-ES', enc, zip: 'DEF', kid, typ, epk: { kty, crv, x } };
  const header = part(JSON.stringify(parameters));
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-gcm', keyFrom(secret), iv).setAAD(Buffer.from(header));
  const sealed = Buffer.concat([cipher.update(deflateRawSync(content)), cipher.final()]);
  // No encrypted key between header and iv: the agreed key is the content's.
  return [header, '', part(iv), part(sealed), part(cipher.getAuthTag())].join('.');
}

/** One round of the Concat KDF, which gives all that a 256-bit key takes (RFC 7518, 4.6.2); no party has a name. */
function keyFrom(secret: Buffer): Buffer {
  const algorithm = Buffer.from(enc);
  const rest = [number(algorithm.length), algorithm, number(0), number(0), number(keyLength * 8)];
  return createHash('sha256')
    .update(Buffer.concat([number(1), secret, ...rest]))
    .digest();
}

/** 32 bits, big-endian. */
function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
