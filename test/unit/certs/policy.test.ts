import { describe, expect, test } from 'vitest';
import {
  type Authorities,
  type Authority,
  authorityOf,
  bundleOf,
  parseAuthorities,
  type Trusted,
  textsOf,
} from '../../../certs/authorities.ts';
import { issueAuthority, issueServing } from '../../../certs/issue.ts';
import { type Leaf, leafDue, nextStep, type View } from '../../../certs/policy.ts';

/** The decisions one by one, on plain data. */

const start = 1_800_000_000_000;
const hour = 3_600_000;
const lifetimes = { authority: 24 * hour, serving: 4 * hour, overlap: hour };

function authority(begin = start, life = lifetimes.authority): Authority {
  const issued = issueAuthority({ commonName: 'test', days: life / (24 * hour), now: begin });
  return authorityOf(issued.certificatePem, issued.privateKeyPem);
}

function publicly({ certificatePem, fingerprint, notBefore, notAfter }: Authority): Trusted {
  return { certificatePem, fingerprint, notBefore, notAfter };
}

const [one, two, three] = [authority(), authority(start + 16 * hour), authority(start - 20 * hour)];
const alone: Authorities = { current: one, previous: [], since: start };
const beginning: Authorities = { ...alone, next: two };
const rotated: Authorities = { current: two, previous: [publicly(one)], since: start + 17 * hour };

/** All is told and in force, unless the view says otherwise. */
function step(kept: Authorities | undefined, hours: number, over: Partial<View> = {}) {
  const wanted = kept === undefined ? undefined : bundleOf(kept);
  const bundles = wanted === undefined ? [] : [wanted, wanted];
  const now = start + hours * hour;
  return nextStep({ kept, remembered: kept, bundles, wanted, settled: 10 * hour, now, ...over }, lifetimes);
}

describe('the next step', () => {
  test.each<[string, ReturnType<typeof step>['do'], ReturnType<typeof step>]>([
    ['with nothing kept, remembered or trusted is to create', 'create', step(undefined, 0)],
    ['with a young authority is to rest', 'rest', step(alone, 15.9)],
    ['with a third of its life left is to begin another', 'begin', step(alone, 16.1)],
    [
      'when one configuration says something else is to publish',
      'publish',
      step(alone, 20, { bundles: [bundleOf(alone), ''] }),
    ],
    ['without configurations is the same as with them', 'begin', step(alone, 20, { bundles: [] })],
    ['with a next one that was only just published is to rest', 'rest', step(beginning, 17, { settled: hour - 1 })],
    ['with a next one that everybody knows is to promote it', 'promote', step(beginning, 17, { settled: hour })],
    ['with a next one and an expired one is to promote it at once', 'promote', step(beginning, 24.1, { settled: 0 })],
    ['with an expired one alone is to create', 'create', step(alone, 24.1)],
    ['with a previous one of which certificates are about is to rest', 'rest', step(rotated, 21.9)],
    ['with a previous one of which none are is to drop it', 'drop', step(rotated, 22.1)],
    ['with a previous one, just after a change, is to rest', 'rest', step(rotated, 22.1, { settled: 0 })],
    ['with a previous one that has expired is to drop it whatever else', 'drop', step(rotated, 24.1, { settled: 0 })],
  ])('%s', (_, expected, found) => {
    expect(found.do).toBe(expected);
  });

  test('after the Secret was lost goes on from what was remembered and is trusted', () => {
    const found = step(undefined, 1, { remembered: beginning, bundles: [bundleOf(alone)] });
    expect(found).toEqual({ do: 'begin', from: alone });
  });

  test.each([
    ['is not trusted any more', { bundles: [two.certificatePem] }],
    ['has expired', { now: start + 25 * hour, bundles: [one.certificatePem] }],
  ])('after the Secret was lost does not go on from one that %s', (_, over) => {
    expect(step(undefined, 1, { remembered: alone, ...over }).do).toBe('create');
  });

  test('keeps what others trust when it creates, as long as it has not expired', () => {
    const bundles = [`${one.certificatePem}${three.certificatePem}`, one.certificatePem];
    const found = step(undefined, 5, { bundles });
    expect(found).toEqual({ do: 'create', trusted: [publicly(one)] });
  });

  test('promotes with all that was trusted before, but for what has expired', () => {
    const found = step({ ...beginning, previous: [three] }, 17);
    expect(found).toEqual({ do: 'promote', to: rotated });
  });
});

describe('a serving certificate', () => {
  const leaf: Leaf = { authority: one.fingerprint, issued: start, notAfter: start + 4 * hour };
  const first = (hours: number, authorities: Authorities, settled = 0) =>
    leafDue(undefined, authorities, { now: start + hours * hour, settled }, lifetimes);
  const due = (hours: number, authorities = alone, over: Partial<Leaf> = {}, settled = 0) =>
    leafDue({ ...leaf, ...over }, authorities, { now: start + hours * hour, settled }, lifetimes);

  test.each<[string, string | undefined, string | undefined]>([
    ['at first', first(0, alone), 'there is none'],
    ['at first, of an authority that just took over', first(17, rotated), undefined],
    ['at first, of an authority that took over and is in force', first(17, rotated, hour), 'there is none'],
    ['at first, of an authority that took over long ago', first(18, rotated), 'there is none'],
    ['in its youth', due(2.6), undefined],
    ['in its last third', due(2.7), 'two thirds of its life are over'],
    ['past its end', due(4.1), 'it has expired'],
    ['of the future', due(-0.1), 'the clock was set back'],
    ['that ends with its authority', due(23, alone, { issued: start + 20 * hour, notAfter: one.notAfter }), undefined],
    ['of the previous authority, while that is accepted', due(1, rotated), undefined],
    ['of the previous authority, when the new one is in force', due(1, rotated, {}, hour), 'another authority signs'],
    ['of an authority that nobody knows', due(1, { ...rotated, previous: [] }), 'another authority signs'],
  ])('%s', (_, found, expected) => {
    expect(found).toBe(expected);
  });
});

describe('a Secret', () => {
  const encode = (texts: Record<string, string | undefined>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(texts).flatMap(([key, text]) =>
        text === undefined ? [] : [[key, Buffer.from(text).toString('base64')]],
      ),
    );

  test.each([
    ['one authority', alone],
    ['one and the next', beginning],
    ['one and those before', { ...rotated, previous: [publicly(one), publicly(three)] }],
  ])('holds %s and gives it back', (_, authorities) => {
    expect(parseAuthorities(encode(textsOf(authorities)))).toEqual(authorities);
  });

  const texts = textsOf(alone);
  const leafOf = issueServing(one, { dnsNames: ['a'], ipAddresses: [], days: 0.1, now: start });

  test.each<[string, Record<string, string | undefined>, string]>([
    ['no key', { 'tls.key': '' }, 'tls.key: is not a private key'],
    ['no certificate', { 'tls.crt': '' }, 'tls.crt: does not begin with a certificate'],
    ['the key of another', { 'tls.key': two.privateKeyPem }, 'tls.key: is not the key of the certificate in tls.crt'],
    [
      'a certificate that may not sign',
      { 'tls.crt': leafOf.certificatePem, 'tls.key': leafOf.privateKeyPem },
      'tls.crt: may not sign',
    ],
    ['half a successor', { 'next.key': two.privateKeyPem }, 'next.crt: does not begin with a certificate'],
  ])('with %s is refused by name, and the key is not quoted', (_, changes, message) => {
    const parse = () => parseAuthorities(encode({ ...texts, ...changes }));
    expect(parse).toThrow(message);
    expect(parse).not.toThrow('PRIVATE KEY');
  });

  test.each([[undefined], [{}], [{ other: 'YQ==' }]])('with %j holds nothing', (data) => {
    expect(parseAuthorities(data)).toBeUndefined();
  });
});
