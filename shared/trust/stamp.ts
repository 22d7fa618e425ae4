import type { KeyObject } from 'node:crypto';
import { compactDecrypt, compactVerify } from 'jose';
import {
  decodeClaims,
  decodeIdentity,
  encodeClaims,
  encodeIdentity,
  invalid,
  type PublicClaims,
  type StampClaims,
  StampError,
  type StampIdentity,
} from './claims.ts';
import { sealCompact, signCompact } from './compact.ts';
import { KeysUnknownError, type Signer, type Verifier } from './keys.ts';

export { type StampClaims, StampError, type StampErrorCode, type StampIdentity, type StampTarget } from './claims.ts';
export { digestOf, matchStamp, matchUser, type StampMismatch } from './match.ts';

/**
 * The authorization record on a DataVolume: a JWS (compact, EdDSA over Ed25519) whose payload names source, target and user, with a JWE
 * (compact, ECDH-ES with X25519, A256GCM, deflated) inside for what identifies the user beyond the name. It has no power of its own:
 * it counts only on the DataVolume that {@link matchStamp} finds it to belong to.
 */

/** Characters. A common stamp has about 1,300; 200 groups with random (UUID) names make it 8,600, and some 400 of them are the most. */
export const longestStamp = 16 * 1024;

/** Bytes of an identity before it is deflated. Bounded on both sides, so that nothing is sealed that could not be opened again. */
const largestIdentity = 128 * 1024;

// An explicit type (RFC 8725, 3.11) keeps anything else that might ever be signed with the same key from being taken for a stamp.
const stampType = 'clonegate-stamp+jwt';
const identityType = 'clonegate-identity';

export interface VerifiedStamp extends PublicClaims {
  /** Only where the verifier holds the identity key. */
  readonly identity?: StampIdentity;
  /** The key that signed it. */
  readonly keyId: string;
}

/**
 * The text for the annotation.
 * @throws StampError `StampTooLarge` when the identity does not fit, `StampInvalid` when the claims are incomplete: what
 *   would not verify is not signed.
 */
export async function signStamp(signer: Signer, claims: StampClaims): Promise<string> {
  const payload = encodeClaims(claims, seal(signer, claims));
  decodeClaims(payload);
  const stamp = signCompact(payload, { kid: signer.stamp.id, typ: stampType }, signer.stamp.key);
  if (stamp.length > longestStamp) throw tooLarge(claims);
  return stamp;
}

function seal({ identity }: Signer, claims: StampClaims): string {
  const content = Buffer.from(encodeIdentity(claims.identity));
  if (content.length > largestIdentity) throw tooLarge(claims);
  return sealCompact(content, { kid: identity.id, typ: identityType }, identity.key);
}

function tooLarge({ user, identity }: StampClaims): StampError {
  return new StampError(
    'StampTooLarge',
    `the identity of user ${JSON.stringify(user)} (${identity.groups.length} groups, ${Object.keys(identity.extra).length} extra ` +
      `attributes) does not fit into an authorization stamp of ${longestStamp} characters; ` +
      'clone as a user with fewer groups, for example a service account',
  );
}

/** {@link verifyStamp} by keys that it knows. */
export type StampReader = (text: string | undefined) => Promise<VerifiedStamp>;

export function stampReader(verifier: Verifier): StampReader {
  return async (text) => verifyStamp(verifier, text);
}

/**
 * Checks that a text is a stamp made by one of the keys, and reads it. Whether it belongs to the DataVolume it was found on is
 * {@link matchStamp}'s question.
 * @throws StampError and nothing else, whatever the text: `StampMissing` when there is none, else `StampInvalid`. Where the verifier
 *   renews itself also KeysUnknownError, which says nothing against the stamp.
 */
export async function verifyStamp(verifier: Verifier, text: string | undefined): Promise<VerifiedStamp> {
  if (text === undefined || text === '')
    throw new StampError('StampMissing', 'the DataVolume carries no authorization stamp');
  try {
    return await read(verifier, text);
  } catch (error) {
    throw error instanceof StampError || error instanceof KeysUnknownError
      ? error
      : invalid('it is forged, altered or of an unknown key', error);
  }
}

async function read(verifier: Verifier, text: string): Promise<VerifiedStamp> {
  checkForm(text);
  const { payload, protectedHeader } = await compactVerify(text, async ({ kid }) => stampKeyFor(verifier, kid), {
    algorithms: ['EdDSA'],
  });
  if (protectedHeader.typ !== stampType) throw invalid('it is signed, but is no stamp');
  const { claims, sealed } = decodeClaims(decodeText(payload));
  const keyId = protectedHeader.kid ?? '';
  return verifier.identity.size === 0
    ? { ...claims, keyId }
    : { ...claims, keyId, identity: await unseal(verifier, sealed) };
}

/** Bounds the work before anything is parsed, and accepts one spelling only: base64url decoders let unused trailing bits differ. */
function checkForm(text: unknown): asserts text is string {
  if (typeof text !== 'string') throw invalid('it is not a text');
  if (text.length > longestStamp) throw invalid(`it is longer than ${longestStamp} characters`);
  const parts = text.split('.', 4);
  const canonical = parts.every((part) => part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part);
  if (parts.length !== 3 || !canonical) throw invalid('it is not a compact JWS');
}

async function unseal(verifier: Verifier, sealed: string): Promise<StampIdentity> {
  const { plaintext, protectedHeader } = await compactDecrypt(sealed, ({ kid }) => keyFor(verifier.identity, kid), {
    keyManagementAlgorithms: ['ECDH-ES'],
    contentEncryptionAlgorithms: ['A256GCM'],
    maxDecompressedLength: largestIdentity,
  });
  if (protectedHeader.typ !== identityType) throw invalid('what is sealed in it is no identity');
  return decodeIdentity(decodeText(plaintext));
}

/** A key that is not known may be new, so before that is said against a stamp the keys are looked at once more. */
async function stampKeyFor(verifier: Verifier, id: unknown): Promise<KeyObject> {
  if (typeof id === 'string' && !verifier.stamp.has(id)) await renewed(verifier);
  return keyFor(verifier.stamp, id);
}

async function renewed({ renew }: Verifier): Promise<void> {
  try {
    await renew?.();
  } catch (error) {
    throw new KeysUnknownError('the authorization stamp is of a key that is not known, and new keys cannot be read', {
      cause: error,
    });
  }
}

function keyFor<T>(keys: ReadonlyMap<string, T>, id: unknown): T {
  const key = typeof id === 'string' ? keys.get(id) : undefined;
  if (key === undefined) throw invalid('it is of an unknown key');
  return key;
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}
