import fc from 'fast-check';
import { CompactEncrypt, compactDecrypt, compactVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { sealCompact, signCompact } from '../../../shared/trust/compact.ts';
import { parties } from './fixtures.ts';

const { signer, controller } = await parties();
const stranger = await parties();

function only<T>(keys: ReadonlyMap<string, T>): T {
  const [key] = keys.values();
  if (key === undefined) throw new Error('there is no key');
  return key;
}

describe('a compact JWS, as jose reads it', () => {
  const named = { kid: signer.stamp.id, typ: 'test' };

  test('holds what was signed, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1 }), async (payload) => {
        const text = signCompact(payload, named, signer.stamp.key);
        const verified = await compactVerify(text, only(controller.stamp));
        expect(Buffer.from(verified.payload)).toEqual(Buffer.from(payload));
        expect(verified.protectedHeader).toEqual({ alg: 'EdDSA', ...named });
      }),
      { numRuns: 50 },
    );
  });

  test('is signed by the key that signed it, and by no other', async () => {
    const text = signCompact('payload', named, signer.stamp.key);
    await expect(compactVerify(text, only(stranger.controller.stamp))).rejects.toThrow('signature verification failed');
  });
});

describe('a compact JWE, as jose reads it', () => {
  const named = { kid: signer.identity.id, typ: 'test' };

  test('holds what was sealed, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 4096 }), async (bytes) => {
        const text = sealCompact(Buffer.from(bytes), named, signer.identity.key);
        const opened = await compactDecrypt(text, only(controller.identity));
        expect(Buffer.from(opened.plaintext)).toEqual(Buffer.from(bytes));
        expect(opened.protectedHeader).toMatchObject({ alg: 'ECDH-ES', enc: 'A256GCM', zip: 'DEF', ...named });
      }),
      { numRuns: 50 },
    );
  });

  test('is opened by no other key', async () => {
    const text = sealCompact(Buffer.from('secret'), named, signer.identity.key);
    await expect(compactDecrypt(text, only(stranger.controller.identity))).rejects.toThrow(
      'decryption operation failed',
    );
  });

  test('has the header that jose would give it, and parts of the same lengths', async () => {
    const theirs = await new CompactEncrypt(Buffer.from('secret'))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', zip: 'DEF', ...named })
      .encrypt(signer.identity.key);
    const ours = sealCompact(Buffer.from('secret'), named, signer.identity.key);
    const parametersOf = (text: string): readonly string[] =>
      Object.keys(JSON.parse(Buffer.from(text.split('.')[0] ?? '', 'base64url').toString())).toSorted();
    expect(parametersOf(ours)).toEqual(parametersOf(theirs));
    expect(ours.split('.').map(({ length }) => length)).toEqual(theirs.split('.').map(({ length }) => length));
  });

  test('has a key and a nonce of its own: either one a second time would give the content away', () => {
    const [first = [], second = []] = [0, 1].map(() =>
      sealCompact(Buffer.from('secret'), named, signer.identity.key).split('.'),
    );
    for (const at of [0, 2, 3, 4]) expect(first[at]).not.toBe(second[at]);
  });
});
