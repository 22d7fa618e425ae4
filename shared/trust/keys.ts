import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { isObject, type JsonObject, parseObject } from '../api/json.ts';

/**
 * The two key pairs behind a stamp. The signing pair (Ed25519) says that the webhook made it: the webhook holds the private key, everyone
 * else only public ones. The identity pair (X25519) seals what identifies the user beyond the name: the controller holds the private
 * key, the webhook only the public one. Keys travel as the texts of files with a JWK or a JWK Set (RFC 7517) in them.
 */

/** A key file cannot be used. The message says which one and why, and never holds any part of the file. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
}

/** The texts of the four files, ready to be written into Secrets. */
export interface StampKeyFiles {
  /** Private Ed25519 JWK; the webhook's. */
  readonly stampKey: string;
  /** JWK Set of the public Ed25519 keys whose stamps are accepted; the webhook's and the controller's. */
  readonly stampPublicKeys: string;
  /** Private X25519 JWK (or a JWK Set of several); the controller's. */
  readonly identityKey: string;
  /** Public X25519 JWK; the webhook's. */
  readonly identityPublicKey: string;
}

interface NamedKey {
  readonly id: string;
  readonly key: KeyObject;
}

/** What makes stamps. */
export interface Signer {
  readonly stamp: NamedKey;
  readonly identity: NamedKey;
}

/** What checks stamps, by key id. Without identity keys the sealed identity stays closed. */
export interface Verifier {
  readonly stamp: ReadonlyMap<string, KeyObject>;
  readonly identity: ReadonlyMap<string, KeyObject>;
  /** Sees to it that both are what they are by now. Where there is none, they are all that there are. @throws Error when that failed. */
  readonly renew?: () => Promise<void>;
}

/** Whether a stamp is good could not be found out: its key is not known, and whether there are other keys by now cannot be seen. */
export class KeysUnknownError extends Error {
  override readonly name = 'KeysUnknownError';
}

/** New random key pairs. Each key is named (`kid`) by its thumbprint (RFC 7638). */
export async function generateStampKeys(): Promise<StampKeyFiles> {
  const stamp = await named(generateKeyPairSync('ed25519').privateKey);
  const identity = await named(generateKeyPairSync('x25519').privateKey);
  return {
    stampKey: JSON.stringify(stamp.private),
    stampPublicKeys: JSON.stringify({ keys: [stamp.public] }),
    identityKey: JSON.stringify(identity.private),
    identityPublicKey: JSON.stringify(identity.public),
  };
}

async function named(key: KeyObject): Promise<{ private: object; public: object }> {
  const publicJwk = createPublicKey(key).export({ format: 'jwk' });
  const kid = thumbprintOf(key);
  return { private: { ...key.export({ format: 'jwk' }), kid }, public: { ...publicJwk, kid } };
}

/** @throws KeyError naming the file and its fault. */
export async function loadSigner(files: Pick<StampKeyFiles, 'stampKey' | 'identityPublicKey'>): Promise<Signer> {
  return {
    stamp: await oneKey(files.stampKey, { label: 'stamp signing key', curve: 'Ed25519', type: 'private' }),
    identity: await oneKey(files.identityPublicKey, { label: 'identity public key', curve: 'X25519', type: 'public' }),
  };
}

/**
 * Several public keys are valid at once, so that a new signing key can be published before the first stamp is made with it.
 * @throws KeyError naming the file and its fault.
 */
export async function loadVerifier(
  files: Pick<StampKeyFiles, 'stampPublicKeys'> & Partial<Pick<StampKeyFiles, 'identityKey'>>,
): Promise<Verifier> {
  const sealed = files.identityKey;
  return {
    stamp: await keySet(files.stampPublicKeys, { label: 'stamp public keys', curve: 'Ed25519', type: 'public' }),
    identity:
      sealed === undefined
        ? new Map()
        : await keySet(sealed, { label: 'identity key', curve: 'X25519', type: 'private' }),
  };
}

/** What a key file has to hold. */
interface Expected {
  readonly label: string;
  readonly curve: 'Ed25519' | 'X25519';
  readonly type: 'private' | 'public';
}

async function oneKey(text: string, expected: Expected): Promise<NamedKey> {
  const entries = [...(await keySet(text, expected))];
  const [entry] = entries;
  if (entry === undefined || entries.length > 1)
    throw new KeyError(`${expected.label}: holds ${entries.length} keys; it must hold exactly one`);
  return { id: entry[0], key: entry[1] };
}

async function keySet(text: string, expected: Expected): Promise<ReadonlyMap<string, KeyObject>> {
  const document = parse(text, expected);
  const list = Array.isArray(document['keys']) ? (document['keys'] as readonly unknown[]) : [document];
  if (list.length === 0) throw new KeyError(`${expected.label}: the JWK Set is empty`);
  const keys = new Map<string, KeyObject>();
  for (const [index, jwk] of list.entries()) {
    const { id, key } = await readKey(jwk, expected, list === document['keys'] ? `keys[${index}]` : 'the key');
    if (keys.has(id)) throw new KeyError(`${expected.label}: two keys have the kid ${JSON.stringify(id)}`);
    keys.set(id, key);
  }
  return keys;
}

// The engine's own error for malformed JSON would quote the text, which may be a private key.
function parse(text: string, { label }: Expected): JsonObject {
  const document = parseObject(text);
  if (document === undefined) throw new KeyError(`${label}: is not a JSON object; it must hold a JWK or a JWK Set`);
  return document;
}

async function readKey(jwk: unknown, expected: Expected, where: string): Promise<NamedKey> {
  const { label, curve, type } = expected;
  const fault = (why: string): KeyError => new KeyError(`${label}: ${where} ${why}`);
  if (!isObject(jwk)) throw fault('is not a JSON object');
  if (jwk['kty'] !== 'OKP' || jwk['crv'] !== curve) throw fault(`is not of kty OKP and crv ${curve}`);
  if (type === 'private' && jwk['d'] === undefined) throw fault('has no private part (d), but must have');
  if (type === 'public' && jwk['d'] !== undefined)
    throw fault('has a private part (d), which must not be here; put only the public key in this file');
  const key = importKey(jwk, type);
  if (key === undefined) throw fault(`has ${type === 'private' ? 'a d' : 'an x'} that is no ${curve} key`);
  if (type === 'private' && publicPart(key) !== jwk['x']) throw fault('has an x that does not belong to its d');
  const kid = jwk['kid'] ?? thumbprintOf(key);
  if (typeof kid !== 'string' || kid === '' || kid.length > 128)
    throw fault('has a kid that is not a text of 1 to 128 characters');
  return { id: kid, key };
}

function importKey(jwk: JsonObject, type: 'private' | 'public'): KeyObject | undefined {
  try {
    return type === 'private'
      ? createPrivateKey({ key: jwk, format: 'jwk' })
      : createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function publicPart(key: KeyObject): unknown {
  return createPublicKey(key).export({ format: 'jwk' }).x;
}

/** RFC 7638, for the one type of key that we have: what it requires, in its order. */
function thumbprintOf(key: KeyObject): string {
  const { crv, kty, x } = key.export({ format: 'jwk' });
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
}
