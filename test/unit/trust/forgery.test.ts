import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { CompactEncrypt, type CompactJWSHeaderParameters, CompactSign } from 'jose';
import { describe, expect, test } from 'vitest';
import type { Verifier } from '../../../shared/trust/keys.ts';
import { longestStamp, StampError, signStamp, verifyStamp } from '../../../shared/trust/stamp.ts';
import { claims, parties } from './fixtures.ts';

const { signer, controller, webhook, files } = await parties();
const attacker = await parties();
const genuine = await signStamp(signer, claims);
const [header = '', payload = '', signature = ''] = genuine.split('.');
const headers: CompactJWSHeaderParameters = { alg: 'EdDSA', kid: signer.stamp.id, typ: 'clonegate-stamp+jwt' };

const base64 = (text: string): string => Buffer.from(text).toString('base64url');
const decoded = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
const withHeader = (change: object): string =>
  `${base64(JSON.stringify({ ...decoded(header), ...change }))}.${payload}.${signature}`;
const withPayload = (change: object): string =>
  `${header}.${base64(JSON.stringify({ ...decoded(payload), ...change }))}.${signature}`;

async function signed(key: Parameters<CompactSign['sign']>[0], text: string, change: object = {}): Promise<string> {
  return new CompactSign(Buffer.from(text)).setProtectedHeader({ ...headers, ...change }).sign(key);
}

/** The code of the error that reading the text ends with; anything but a StampError or success fails the test. */
async function outcome(text: string | undefined, verifier: Verifier = controller): Promise<string> {
  try {
    await verifyStamp(verifier, text);
    return 'accepted';
  } catch (error) {
    if (error instanceof StampError) return error.code;
    throw error;
  }
}

test('the stamp that all the forgeries start from is accepted', async () => {
  expect(await outcome(genuine)).toBe('accepted');
  expect(await outcome(genuine, webhook)).toBe('accepted');
});

test.each([undefined, ''])('no stamp (%j) is missing, not invalid', async (text) => {
  expect(await outcome(text)).toBe('StampMissing');
});

describe('a stamp is invalid', () => {
  const publicJwk = JSON.parse(files.stampPublicKeys).keys[0];
  const publicBytes = Buffer.from(String(publicJwk.x), 'base64url');
  const readable = Buffer.from(payload, 'base64url').toString();

  test.each<[string, () => string | Promise<string>]>([
    ['when another key signed it', () => signStamp(attacker.signer, claims)],
    ['when another key signed it under our kid', () => signed(attacker.signer.stamp.key, readable)],
    [
      'when its key travels with it',
      () => signed(attacker.signer.stamp.key, readable, { jwk: JSON.parse(attacker.files.stampPublicKeys).keys[0] }),
    ],
    [
      'when it is not signed (alg none)',
      () => `${base64('{"alg":"none","kid":"","typ":"clonegate-stamp+jwt"}')}.${payload}.`,
    ],
    ['when its header says none and a signature follows', () => withHeader({ alg: 'none' })],
    [
      'when it is signed by HMAC with the public key as the secret',
      () => signed(publicBytes, readable, { alg: 'HS256' }),
    ],
    [
      'when it is signed by HMAC with the public JWK as the secret',
      () => signed(Buffer.from(JSON.stringify(publicJwk)), readable, { alg: 'HS256' }),
    ],
    [
      'when alg is Ed25519, which is another name for the same',
      () => signed(signer.stamp.key, readable, { alg: 'Ed25519' }),
    ],
    ['when the source is altered', () => withPayload({ src: { k: 'pvc', ns: 'golden', n: 'payroll' } })],
    ['when the user is altered', () => withPayload({ sub: 'admin' })],
    ['when the kid is altered', () => withHeader({ kid: 'other' })],
    ['when the kid is a property of all objects', () => withHeader({ kid: '__proto__' })],
    ['when the kid is no text', () => withHeader({ kid: { toString: 1 } })],
    ['when the kid is missing', () => withHeader({ kid: undefined })],
    ['when our key signed something of another type', () => signed(signer.stamp.key, readable, { typ: 'JWT' })],
    ['when our key signed something of no type', () => signed(signer.stamp.key, readable, { typ: undefined })],
    ['when it demands an extension', () => withHeader({ crit: ['exp'], exp: 1 })],
    [
      'when the signature is of another stamp',
      async () => `${header}.${payload}.${(await signStamp(signer, claims)).split('.')[2]}`,
    ],
    ['when the signature is cut', () => `${header}.${payload}.${signature.slice(0, -2)}`],
    ['when a part is missing', () => `${header}.${payload}`],
    ['when a part is added', () => `${genuine}.${signature}`],
    ['when a line break is added', () => `${genuine}\n`],
    ['when it is longer than the bound', () => `${header}.${'A'.repeat(longestStamp)}.${signature}`],
    [
      'when our key signed a text that is no UTF-8',
      () =>
        new CompactSign(Buffer.from(readable.replace('jane', '\u00ff'), 'latin1'))
          .setProtectedHeader(headers)
          .sign(signer.stamp.key),
    ],
  ])('%s', async (_, forge) => {
    expect(await outcome(await forge())).toBe('StampInvalid');
  });

  test('when it is longer than the bound, even if our key signed it', async () => {
    const long = await signed(signer.stamp.key, JSON.stringify({ ...decoded(payload), pad: 'x'.repeat(longestStamp) }));
    await expect(verifyStamp(controller, long)).rejects.toThrow(/longer than 16384 characters/);
  });

  test('when a character of it is another one, wherever it stands', async () => {
    for (let at = 0; at < genuine.length; at += 1) {
      const altered = `${genuine.slice(0, at)}${genuine[at] === 'A' ? 'B' : 'A'}${genuine.slice(at + 1)}`;
      expect(await outcome(altered, webhook), `character ${at}`).toBe('StampInvalid');
    }
  });

  test('when only the unused last bits of its spelling differ', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // 64 bytes leave four bits of the last of 86 characters unused.
    const respelled = `${genuine.slice(0, -1)}${alphabet[alphabet.indexOf(genuine.at(-1) ?? '') + 1]}`;
    expect(Buffer.from(respelled.split('.')[2] ?? '', 'base64url')).toEqual(Buffer.from(signature, 'base64url'));
    expect(await outcome(respelled)).toBe('StampInvalid');
  });

  test.each<[string, unknown]>([
    ['it is not a text', 17],
    ['it is not a compact JWS', `${header}.${payload}`],
    ['it is not a compact JWS', `${genuine}.${signature}`],
    ['it is not a compact JWS', `${header}..${signature}`],
    ['it is not a compact JWS', `${header}.${payload}=.${signature}`],
    ['it is of an unknown key', withHeader({ kid: 'other' })],
    ['it is of an unknown key', withHeader({ kid: undefined })],
  ])('and says why: %s', async (why, text) => {
    await expect(verifyStamp(controller, text as string)).rejects.toThrow(`is not valid: ${why}`);
  });

  test.each([null, 17, {}, ['a.b.c'], true])('when the annotation is not a text: %j', async (value) => {
    expect(await outcome(value as unknown as string)).toBe('StampInvalid');
  });
});

describe('a stamp whose identity is not what the webhook seals is invalid', () => {
  const sealed = async (content: string | Buffer, change: object = {}): Promise<string> =>
    new CompactEncrypt(Buffer.from(content))
      .setProtectedHeader({
        alg: 'ECDH-ES',
        enc: 'A256GCM',
        zip: 'DEF',
        kid: signer.identity.id,
        typ: 'clonegate-identity',
        ...change,
      })
      .encrypt(signer.identity.key);

  test.each<[string, () => string | Promise<string>]>([
    ['no JWE', () => 'identity'],
    ['no JSON', () => sealed('groups: all')],
    ['without groups', () => sealed('{"x":{}}')],
    ['with groups that are no texts', () => sealed('{"g":[1],"x":{}}')],
    ['with an extra that is no list', () => sealed('{"g":[],"x":{"a":"b"}}')],
    ['with a uid that is no text', () => sealed('{"uid":1,"g":[],"x":{}}')],
    ['of another type', () => sealed('{"g":[],"x":{}}', { typ: 'JWT' })],
    ['of another encryption', () => sealed('{"g":[],"x":{}}', { enc: 'A128CBC-HS256' })],
    ['of another key agreement', () => sealed('{"g":[],"x":{}}', { alg: 'ECDH-ES+A256KW' })],
    ['a bomb that deflates to little', () => sealed(`{"g":[],"x":{}}${' '.repeat(2 * 1024 * 1024)}`)],
  ])('%s', async (_, seal) => {
    const text = await signed(signer.stamp.key, JSON.stringify({ ...decoded(payload), idn: await seal() }));
    expect(text.length).toBeLessThanOrEqual(longestStamp);
    expect(await outcome(text)).toBe('StampInvalid');
  });

  test('but one with the least there can be is accepted', async () => {
    const text = await signed(
      signer.stamp.key,
      JSON.stringify({ ...decoded(payload), idn: await sealed('{"g":[],"x":{}}') }),
    );
    expect(await outcome(text)).toBe('accepted');
  });
});

describe('whatever the text, checking ends with a StampError', () => {
  const part = fc.oneof(
    fc.base64String(),
    fc.string(),
    fc.json().map(base64),
    fc.constantFrom(header, payload, signature, ''),
  );

  test('for arbitrary texts and arrangements of parts', async () => {
    const arrangements = fc.array(part, { minLength: 2, maxLength: 5 }).map((parts) => parts.join('.'));
    const texts = fc
      .oneof(fc.string({ minLength: 1, unit: 'binary' }), arrangements)
      .filter((text) => text !== genuine);
    const property = fc.asyncProperty(texts, async (text) => {
      expect(await outcome(text)).toBe('StampInvalid');
    });
    await fc.assert(property, { numRuns: 300 });
  });

  test('for arbitrary headers', async () => {
    const members = fc.record(
      {
        alg: fc.oneof(fc.constantFrom('EdDSA', 'none', 'HS256', 'ES256', 'RS256', 'dir'), fc.jsonValue()),
        kid: fc.oneof(fc.constantFrom(signer.stamp.id, 'constructor', '__proto__'), fc.jsonValue()),
        typ: fc.jsonValue(),
        b64: fc.jsonValue(),
        crit: fc.jsonValue(),
        jwk: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const texts = members.map(withHeader).filter((text) => text !== genuine);
    const property = fc.asyncProperty(texts, async (text) => {
      expect(await outcome(text)).toBe('StampInvalid');
    });
    await fc.assert(property, { numRuns: 300 });
  });

  test('for arbitrary payloads that our own key signed, with only whole claims accepted', async () => {
    const fields = fc.constantFrom('jti', 'iat', 'sub', 'by', 'src', 'dst', 'idn');
    const changed = fc.tuple(fields, fc.jsonValue()).map(([field, value]) => ({ ...decoded(payload), [field]: value }));
    const property = fc.asyncProperty(fc.oneof(fc.jsonValue(), changed), async (body) => {
      const found = await outcome(await signed(signer.stamp.key, JSON.stringify(body)), webhook);
      expect(found).toBe(isWhole(body) ? 'accepted' : 'StampInvalid');
    });
    await fc.assert(property, { numRuns: 300 });
  });

  /** The shape of the claims, said again in other words than the decoder's. Of src and dst no other whole value is ever generated. */
  function isWhole(body: unknown): boolean {
    if (typeof body !== 'object' || body === null) return false;
    const { jti, iat, sub, by, src, dst, idn } = body as Record<string, unknown>;
    return (
      [jti, sub, idn].every((value) => typeof value === 'string' && value.length > 0) &&
      ['datavolumes/source', 'pods', 'same-namespace'].includes(String(by)) &&
      typeof by === 'string' &&
      Number.isSafeInteger(iat) &&
      Number(iat) > 0 &&
      JSON.stringify([src, dst]) === JSON.stringify([decoded(payload).src, decoded(payload).dst])
    );
  }
});

test('errors about a stamp never quote it or the identity in it', async () => {
  const secret = randomBytes(12).toString('hex');
  const texts = [
    `${base64(secret)}.${base64(secret)}.${base64(secret)}`,
    await signed(signer.stamp.key, `{"sub":"${secret}`),
    secret,
  ];
  for (const text of texts) {
    const error: unknown = await verifyStamp(controller, text).catch((thrown: unknown) => thrown);
    expect(inspect(error)).toContain('StampError');
    expect(inspect(error)).not.toContain(secret);
  }
});
