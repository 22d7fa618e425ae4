import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { longestStamp, type StampClaims, signStamp, verifyStamp } from '../../../shared/trust/stamp.ts';
import { claims, parties } from './fixtures.ts';

const { signer, controller, webhook } = await parties();

function withGroups(groups: readonly string[]): StampClaims {
  return { ...claims, identity: { ...claims.identity, groups } };
}

function payloadOf(stamp: string): string {
  return Buffer.from(stamp.split('.')[1] ?? '', 'base64url').toString();
}

describe('a stamp', () => {
  test('says to the controller all that was signed', async () => {
    expect(await verifyStamp(controller, await signStamp(signer, claims))).toEqual({
      ...claims,
      keyId: signer.stamp.id,
    });
  });

  test('says the same to the webhook, except for the identity', async () => {
    const { identity: _, ...readable } = claims;
    expect(await verifyStamp(webhook, await signStamp(signer, claims))).toEqual({
      ...readable,
      keyId: signer.stamp.id,
    });
  });

  test.each<[string, Partial<StampClaims>]>([
    ['of a snapshot', { source: { kind: 'VolumeSnapshot', namespace: 'golden', name: 'nightly' } }],
    ['of a source that does not exist yet', { source: { kind: 'PersistentVolumeClaim', namespace: 'a', name: 'b' } }],
    ['for a generated name', { target: { namespace: 'tenant-a', generateName: 'disk-' } }],
    ['for a user without anything but a name', { identity: { groups: [], extra: {} } }],
    [
      'for an extra named like a property of all objects',
      { identity: { groups: [], extra: JSON.parse('{"__proto__":["x"]}') } },
    ],
    ['by the right to create pods', { rule: 'pods' }],
    ['by the rule of the same namespace', { rule: 'same-namespace' }],
    ['for names outside ASCII', { user: 'Zoë 用户', identity: { groups: ['équipe'], extra: {} } }],
  ])('%s survives the way to the annotation and back', async (_, change) => {
    const changed = { ...claims, ...change };
    expect(await verifyStamp(controller, await signStamp(signer, changed))).toEqual({
      ...changed,
      keyId: signer.stamp.id,
    });
  });

  test('shows nothing of the identity to those who can read the annotation', async () => {
    const readable = payloadOf(await signStamp(signer, claims));
    expect(readable).toContain('jane@example.com');
    const sealed = String(JSON.parse(readable).idn);
    const everything = [
      readable,
      ...sealed.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1')),
    ];
    for (const text of everything)
      for (const secret of ['uid-of-jane', 'team-storage', 'clearance', 'secret-project'])
        expect(text).not.toContain(secret);
  });

  test('keeps its identity closed to another identity key', async () => {
    const other = await parties();
    const confused = { stamp: controller.stamp, identity: other.controller.identity };
    await expect(verifyStamp(confused, await signStamp(signer, claims))).rejects.toMatchObject({
      code: 'StampInvalid',
    });
    // The same even if the key only pretends, by its name, to be the right one.
    const [key] = other.controller.identity.values();
    const liar = { stamp: controller.stamp, identity: new Map(key === undefined ? [] : [[signer.identity.id, key]]) };
    await expect(verifyStamp(liar, await signStamp(signer, claims))).rejects.toMatchObject({ code: 'StampInvalid' });
  });

  test('holds the identity of a user in 300 groups with random names', async () => {
    const many = withGroups(Array.from({ length: 300 }, () => randomUUID()));
    const stamp = await signStamp(signer, many);
    expect(stamp.length).toBeLessThanOrEqual(longestStamp);
    expect((await verifyStamp(controller, stamp)).identity).toEqual(many.identity);
  });

  test.each([
    ['too many', Array.from({ length: 2000 }, () => randomUUID())],
    ['well-compressible but huge', ['a'.repeat(1024 * 1024)]],
  ])('is refused for an identity that is %s, and the message says what to do', async (_, groups) => {
    const refused = signStamp(signer, withGroups(groups));
    await expect(refused).rejects.toMatchObject({ code: 'StampTooLarge' });
    await expect(refused).rejects.toThrow(
      new RegExp(
        `user "jane@example.com" \\(${groups.length} groups, 1 extra attributes\\) .* clone as a user with fewer groups`,
      ),
    );
  });

  test.each<[string, Partial<StampClaims>]>([
    ['no target name', { target: { namespace: 'tenant-a' } }],
    ['two target names', { target: { namespace: 'tenant-a', name: 'disk', generateName: 'disk-' } }],
    ['an empty generateName', { target: { namespace: 'tenant-a', generateName: '' } }],
    ['no user', { user: '' }],
    ['no source name', { source: { ...claims.source, name: '' } }],
    ['a time in fractions of a second', { issuedAt: 1.5 }],
    ['no time', { issuedAt: Number.NaN }],
    ['the beginning of time', { issuedAt: 0 }],
  ])('is not made of claims with %s', async (_, change) => {
    await expect(signStamp(signer, { ...claims, ...change })).rejects.toMatchObject({ code: 'StampInvalid' });
  });
});
