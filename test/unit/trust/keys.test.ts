import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  generateStampKeys,
  KeyError,
  loadSigner,
  loadVerifier,
  type StampKeyFiles,
} from '../../../shared/trust/keys.ts';
import { signStamp, verifyStamp } from '../../../shared/trust/stamp.ts';
import { claims, parties } from './fixtures.ts';

const files = await generateStampKeys();
const other = await generateStampKeys();
const change = (text: string, members: object): string => JSON.stringify({ ...JSON.parse(text), ...members });
const keysOf = (text: string): unknown[] => JSON.parse(text).keys;
const ec = JSON.stringify(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }));

describe('new keys', () => {
  test('are different each time and named by their thumbprints', () => {
    expect(JSON.parse(files.stampKey).kid).toMatch(/^[\w-]{43}$/);
    expect(JSON.parse(files.stampKey).kid).not.toBe(JSON.parse(other.stampKey).kid);
    expect(keysOf(files.stampPublicKeys)).toMatchObject([{ kid: JSON.parse(files.stampKey).kid, crv: 'Ed25519' }]);
    expect(JSON.parse(files.identityPublicKey).kid).toBe(JSON.parse(files.identityKey).kid);
  });

  test('leave no private part in the public files', () => {
    expect(keysOf(files.stampPublicKeys)[0]).not.toHaveProperty('d');
    expect(JSON.parse(files.identityPublicKey)).not.toHaveProperty('d');
  });
});

describe('rotation', () => {
  test('stamps of the old and of the new key are valid while both public keys are published', async () => {
    const keys = [...keysOf(files.stampPublicKeys), ...keysOf(other.stampPublicKeys)];
    const verifier = await loadVerifier({ stampPublicKeys: JSON.stringify({ keys }) });
    for (const each of [files, other]) {
      const { signer } = await parties(each);
      expect((await verifyStamp(verifier, await signStamp(signer, claims))).keyId).toBe(signer.stamp.id);
    }
  });

  test('an identity sealed for either of two identity keys can be opened', async () => {
    const keys = [JSON.parse(files.identityKey), JSON.parse(other.identityKey)];
    const verifier = await loadVerifier({ ...files, identityKey: JSON.stringify({ keys }) });
    for (const identityPublicKey of [files.identityPublicKey, other.identityPublicKey]) {
      const signer = await loadSigner({ ...files, identityPublicKey });
      expect((await verifyStamp(verifier, await signStamp(signer, claims))).identity).toEqual(claims.identity);
    }
  });

  test('a key without a kid is known by its thumbprint', async () => {
    const verifier = await loadVerifier({
      stampPublicKeys: JSON.stringify({
        keys: keysOf(files.stampPublicKeys).map((key) => ({ ...(key as object), kid: undefined })),
      }),
    });
    const { signer } = await parties(files);
    expect((await verifyStamp(verifier, await signStamp(signer, claims))).keyId).toBe(signer.stamp.id);
  });
});

describe('a key file that cannot be used', () => {
  const load = async (change: Partial<StampKeyFiles>): Promise<unknown> => {
    const all = { ...files, ...change };
    return [await loadSigner(all), await loadVerifier(all)];
  };

  test.each<[string, Partial<StampKeyFiles>, RegExp]>([
    ['is empty', { stampKey: '' }, /^stamp signing key: is not a JSON object/],
    ['is cut', { identityKey: files.identityKey.slice(0, -9) }, /^identity key: is not a JSON object/],
    ['is a list', { stampPublicKeys: '[]' }, /^stamp public keys: is not a JSON object/],
    ['is an empty set', { stampPublicKeys: '{"keys":[]}' }, /^stamp public keys: the JWK Set is empty/],
    ['holds something else than keys', { stampPublicKeys: '{"keys":["key"]}' }, /keys\[0\] is not a JSON object/],
    ['is of another curve', { stampKey: ec }, /^stamp signing key: the key is not of kty OKP and crv Ed25519/],
    ['was exchanged with another one', { stampKey: files.identityKey }, /^stamp signing key: .*Ed25519/],
    [
      'lacks the private part',
      { stampKey: JSON.stringify(keysOf(files.stampPublicKeys)[0]) },
      /has no private part \(d\)/,
    ],
    [
      'shows a private signing key to all',
      { stampPublicKeys: files.stampKey },
      /^stamp public keys: .*must not be here/,
    ],
    [
      'shows the private identity key to the webhook',
      { identityPublicKey: files.identityKey },
      /^identity public key: .*must not be here/,
    ],
    [
      'has a private part of nonsense',
      { stampKey: change(files.stampKey, { d: 'AAAA' }) },
      /has a d that is no Ed25519 key/,
    ],
    [
      'has a public part of nonsense',
      { identityPublicKey: change(files.identityPublicKey, { x: 17 }) },
      /has an x that is no X25519 key/,
    ],
    [
      'is put together of two keys',
      { stampKey: change(files.stampKey, { x: JSON.parse(other.stampKey).x }) },
      /x that does not belong to its d/,
    ],
    ['has a kid that is no text', { stampKey: change(files.stampKey, { kid: 1 }) }, /has a kid that is not a text/],
    [
      'repeats a kid',
      {
        stampPublicKeys: JSON.stringify({ keys: [...keysOf(files.stampPublicKeys), ...keysOf(files.stampPublicKeys)] }),
      },
      /two keys have the kid/,
    ],
    [
      'holds two signing keys',
      { stampKey: JSON.stringify({ keys: [JSON.parse(files.stampKey), JSON.parse(other.stampKey)] }) },
      /holds 2 keys; it must hold exactly one/,
    ],
  ])('because it %s is named with its fault, and nothing of it is printed', async (_, change, message) => {
    const error = (await load(change).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toBeInstanceOf(KeyError);
    expect(error.message).toMatch(message);
    expect(error.cause).toBeUndefined();
    for (const secret of [files.stampKey, files.identityKey, other.stampKey])
      expect(`${error.message}${error.stack ?? ''}`).not.toContain(JSON.parse(secret).d.slice(0, 10));
  });
});
