import { describe, expect, test } from 'vitest';
import type { CloneSource } from '../../../shared/api/datavolume.ts';
import type { ObjectMeta } from '../../../shared/api/objects.ts';
import { matchStamp, matchUser } from '../../../shared/trust/stamp.ts';
import { claims, source, volume } from './fixtures.ts';

describe('a stamp belongs to the DataVolume', () => {
  test('that it was made for', () => {
    expect(matchStamp(claims, volume(), source, claims.source.uid)).toBeUndefined();
  });

  test('while the uid of the source is not known on one side', () => {
    expect(matchStamp(claims, volume(), source)).toBeUndefined();
    expect(matchStamp({ ...claims, source }, volume(), source, 'any')).toBeUndefined();
  });

  test.each([-60, -59, 0, 59, 60])('created %i seconds from the time it was made', (later) => {
    expect(matchStamp(claims, volume({}, later), source)).toBeUndefined();
  });

  test('when the DataVolume has no time of creation yet', () => {
    const { creationTimestamp: _, ...metadata } = volume().metadata;
    expect(matchStamp(claims, { ...volume(), metadata }, source)).toBeUndefined();
  });
});

describe('a stamp does not belong to a DataVolume', () => {
  test.each<[string, ObjectMeta, string]>([
    ['of another name', { name: 'disk2' }, 'a DataVolume named "disk", not "disk2"'],
    ['of another namespace', { namespace: 'tenant-b' }, 'a DataVolume in namespace "tenant-a", not "tenant-b"'],
    [
      'whose generateName is the stamped name',
      { name: 'disk-abcde', generateName: 'disk' },
      'named "disk", not "disk-abcde"',
    ],
    [
      'with an unreadable time',
      { creationTimestamp: 'yesterday' },
      'within 60 seconds of 2023-11-14T22:13:20.000Z, not at "yesterday"',
    ],
    ['with a name that would break the message', { name: 'a\nb' }, String.raw`not "a\nb"`],
  ])('%s', (_, metadata, message) => {
    const found = matchStamp(claims, volume(metadata), source);
    expect(found?.reason).toBe('StampMismatch');
    expect(found?.message).toContain(message);
  });

  test.each([-61, 61, 86_400])(
    'created %i seconds from the time it was made: an old stamp is not replayed',
    (later) => {
      expect(matchStamp(claims, volume({}, later), source)?.message).toContain('created within 60 seconds of');
    },
  );

  test.each<[string, CloneSource]>([
    ['name', { ...source, name: 'payroll' }],
    ['namespace', { ...source, namespace: 'finance' }],
    ['kind', { ...source, kind: 'VolumeSnapshot' }],
  ])('cloned from a source of another %s', (_, other) => {
    expect(matchStamp(claims, volume(), other)?.message).toBe(
      `the authorization stamp was made for the source PersistentVolumeClaim "golden/fedora", not ${other.kind} "${other.namespace}/${other.name}"`,
    );
  });

  test('whose source was deleted and made again', () => {
    expect(matchStamp(claims, volume(), source, 'another-uid')?.message).toContain('it was deleted and made again');
  });
});

describe('a stamp for a generateName', () => {
  const matches = (generateName: string, metadata: ObjectMeta): boolean =>
    matchStamp({ ...claims, target: { namespace: 'tenant-a', generateName } }, volume(metadata), source) === undefined;

  test('belongs to a DataVolume whose name the API server made of it', () => {
    expect(matches('disk-', { generateName: 'disk-', name: 'disk-x7k2q' })).toBe(true);
  });

  test('belongs to one whose prefix the API server had to cut', () => {
    const prefix = 'd'.repeat(70);
    expect(matches(prefix, { generateName: prefix, name: `${'d'.repeat(58)}x7k2q` })).toBe(true);
    expect(matches(prefix, { generateName: prefix, name: `${prefix}x7k2q` })).toBe(false);
  });

  test.each<[string, ObjectMeta]>([
    ['of another prefix', { generateName: 'disk-', name: 'data-x7k2q' }],
    ['of the prefix without a suffix', { generateName: 'disk-', name: 'disk-' }],
    ['of a longer name of its own', { generateName: 'disk-', name: 'disk-of-the-database' }],
    ['of another generateName with the same beginning', { generateName: 'disk-a', name: 'disk-ax7k2q' }],
    ['of no generateName', { name: 'disk-x7k2q' }],
  ])('does not belong to one %s', (_, metadata) => {
    expect(matches('disk-', metadata)).toBe(false);
  });

  test('that is empty belongs to nothing', () => {
    expect(matches('', { generateName: '', name: 'x7k2q' })).toBe(false);
  });
});

test('a stamp of a time that no calendar has says so in seconds', () => {
  const found = matchStamp({ ...claims, issuedAt: Number.MAX_SAFE_INTEGER }, volume(), source);
  expect(found?.message).toContain('within 60 seconds of 9007199254740991, not at');
});

test('a stamp is compared with the user who sends the object', () => {
  expect(matchUser(claims, 'jane@example.com')).toBeUndefined();
  expect(matchUser(claims, 'mallory')?.message).toBe(
    'the authorization stamp was made for user "jane@example.com", not "mallory"',
  );
});
