import { describe, expect, test } from 'vitest';
import { decodeClaims, decodeIdentity, encodeClaims, StampError } from '../../../shared/trust/claims.ts';
import { claims } from './fixtures.ts';

const whole = {
  jti: 'request-1',
  iat: 1,
  sub: 'jane',
  by: 'pods',
  src: { k: 'pvc', ns: 'golden', n: 'fedora', uid: 'u' },
  via: { ns: 'golden', n: 'latest' },
  dst: { ns: 'tenant-a', n: 'disk' },
  dec: 'digest',
  idn: 'sealed',
};

/** What is said of a text that is read, after the words that all have in common. */
function faultOf(read: () => unknown): string {
  try {
    read();
    return 'none';
  } catch (error) {
    if (!(error instanceof StampError)) throw error;
    expect(error.code).toBe('StampInvalid');
    return error.message.replace('the authorization stamp is not valid: ', '');
  }
}

describe('the claims of a stamp', () => {
  test('are read as they were written', () => {
    const { claims: said, sealed } = decodeClaims(JSON.stringify(whole));
    expect(encodeClaims(said, sealed)).toBe(JSON.stringify(whole));
    expect({ claims: said, sealed }).toStrictEqual({
      claims: {
        source: { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora', uid: 'u' },
        via: { namespace: 'golden', name: 'latest' },
        target: { namespace: 'tenant-a', name: 'disk' },
        user: 'jane',
        rule: 'pods',
        requestUid: 'request-1',
        issuedAt: 1,
        decisionDigest: 'digest',
      },
      sealed: 'sealed',
    });
  });

  test('have no more in them than there is', () => {
    const { uid: _, ...source } = claims.source;
    const { identity, ...said } = { ...claims, source, target: { namespace: 'tenant-a', generateName: 'disk-' } };
    expect(decodeClaims(encodeClaims(said, 'sealed'))).toStrictEqual({ claims: said, sealed: 'sealed' });
    expect(identity).toBeDefined();
  });

  test.each<[string, object]>([
    ['jti is not a text', { jti: 1 }],
    ['jti is not a text', { jti: '' }],
    ['sub is not a text', { sub: '' }],
    ['idn is not a text', { idn: undefined }],
    ['dec is not a text', { dec: '' }],
    ['by names no rule', { by: 'magic' }],
    ['by names no rule', { by: undefined }],
    ['src is not an object', { src: [] }],
    ['src.k is neither pvc nor snapshot', { src: { ...whole.src, k: 'blob' } }],
    ['src.ns is not a text', { src: { ...whole.src, ns: '' } }],
    ['src.n is not a text', { src: { ...whole.src, n: 5 } }],
    ['src.uid is not a text', { src: { ...whole.src, uid: 5 } }],
    ['via is not an object', { via: 'x' }],
    ['via.ns is not a text', { via: { n: 'latest' } }],
    ['via.n is not a text', { via: { ns: 'golden', n: '' } }],
    ['dst.ns is not a text', { dst: { n: 'disk' } }],
    ['dst needs one of n and g', { dst: { ns: 'a' } }],
    ['dst needs one of n and g', { dst: { ns: 'a', n: 'disk', g: 'disk-' } }],
    ['dst.g is not a text', { dst: { ns: 'a', g: '' } }],
    ...[0, -1, 1.5, '1', 2 ** 53, null].map((iat): [string, object] => [
      'iat is not a whole number of seconds',
      { iat },
    ]),
  ])('are not read when %s: %j', (fault, change) => {
    expect(faultOf(() => decodeClaims(JSON.stringify({ ...whole, ...change })))).toBe(fault);
  });

  test.each(['no JSON', '[]', 'null', '"text"'])('are not read from %s', (payload) => {
    expect(faultOf(() => decodeClaims(payload))).toBe('its payload is not a JSON object');
  });
});

describe('the identity in a stamp', () => {
  test.each([
    ['its identity is not a JSON object', 'no JSON'],
    ['g is not a list of texts', '{"x":{}}'],
    ['g is not a list of texts', '{"g":"a","x":{}}'],
    ['g is not a list of texts', '{"g":[1],"x":{}}'],
    ['x is not an object', '{"g":[],"x":[]}'],
    ['an extra is not a list of texts', '{"g":[],"x":{"a":"b"}}'],
    ['uid is not a text', '{"uid":1,"g":[],"x":{}}'],
  ])('is not read when %s: %s', (fault, content) => {
    expect(faultOf(() => decodeIdentity(content))).toBe(fault);
  });

  test('has no uid where there is none', () => {
    expect(decodeIdentity('{"g":["a"],"x":{"b":["c"]}}')).toStrictEqual({ groups: ['a'], extra: { b: ['c'] } });
  });
});
