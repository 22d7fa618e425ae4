import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  imageSize,
  requiredBytes,
  sourceSize,
  targetSize,
  tooSmall,
  usableBytes,
} from '../../../shared/decision/sizes.ts';
import { facts } from '../../support/build/facts.ts';

const MiB = 1n << 20n;
const GiB = 1n << 30n;

describe('sizes', () => {
  it('takes a block device as it is', () => {
    expect(usableBytes(GiB + 1n, 'Block')).toBe(GiB + 1n);
    expect(requiredBytes(GiB + 1n, 'Block')).toBe(GiB + 1n);
  });

  it('gives a filesystem its six percent', () => {
    expect(requiredBytes(100n * MiB, 'Filesystem')).toBe(106n * MiB);
    expect(usableBytes(106n * MiB, 'Filesystem')).toBe(100n * MiB);
  });

  it('finds room on a filesystem for whatever it says it takes', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 1n << 60n }), (payload) => {
        expect(usableBytes(requiredBytes(payload, 'Filesystem'), 'Filesystem')).toBeGreaterThanOrEqual(payload);
      }),
    );
  });

  it('takes the smaller of what was asked for and what there is', () => {
    expect(sourceSize(facts({ source: { requested: 1n, capacity: 2n } }).source)).toBe(1n);
    expect(sourceSize(facts({ source: { requested: 2n, capacity: 1n } }).source)).toBe(1n);
    expect(sourceSize(facts({ source: { capacity: 2n }, without: ['source.requested'] }).source)).toBe(2n);
    expect(sourceSize(facts({ source: { requested: 2n }, without: ['source.capacity'] }).source)).toBe(2n);
    expect(sourceSize(facts({ without: ['source.requested', 'source.capacity'] }).source)).toBeUndefined();
  });

  it('names a size that would do, whatever the modes', () => {
    const mode = fc.constantFrom('Block' as const, 'Filesystem' as const);
    fc.assert(
      fc.property(fc.bigInt({ min: MiB, max: 1n << 44n }), mode, mode, (capacity, from, to) => {
        const given = (requested: bigint) =>
          facts({ source: { requested: capacity, capacity, volumeMode: from }, target: { requested, volumeMode: to } });
        const least = /at least (\S+)$/.exec(tooSmall(given(1n)) ?? '')?.[1];
        fc.pre(least !== undefined);
        expect(tooSmall(given(requiredFor(capacity, from, to)))).toBeUndefined();
      }),
    );
  });

  it('speaks in the words of the user, who asks for content and not for a volume', () => {
    const small = facts({ target: { requested: 106n * MiB, payload: 100n * MiB } });
    expect(tooSmall(small)).toBe(
      'the target asks for 100Mi (Filesystem), the source needs 10Gi (Filesystem); ask for at least 9661Mi',
    );
    expect(requiredBytes(9661n * MiB, 'Filesystem')).toBeGreaterThanOrEqual(10n * GiB);
    expect(requiredBytes(9660n * MiB, 'Filesystem')).toBeLessThan(10n * GiB);
  });

  it('compares volumes of one mode byte by byte, and of two modes by what they hold', () => {
    const oneByteLess = facts({ target: { requested: 10n * GiB - 1n } });
    expect(tooSmall(oneByteLess)).toMatch(/needs 10Gi \(Filesystem\); ask for at least 10Gi$/);
    const onFilesystem = facts({ source: { volumeMode: 'Block' } });
    expect(tooSmall(onFilesystem)).toMatch(
      `the source needs 10Gi (Block); ask for at least ${requiredBytes(10n * GiB, 'Filesystem')}`,
    );
  });

  it('takes a source of unknown mode for one of the mode of the target', () => {
    const device = facts({
      target: { requested: 10n * GiB - 1n, volumeMode: 'Block' },
      without: ['source.volumeMode'],
    });
    expect(tooSmall(device)).toMatch(/needs 10Gi \(Block\)/);
  });

  it('counts a small target as large as the storage will make it', () => {
    expect(tooSmall(facts({ target: { requested: GiB, smallest: 10n * GiB } }))).toBeUndefined();
    expect(tooSmall(facts({ target: { requested: GiB, smallest: 9n * GiB } }))).toMatch(/asks for 1Gi/);
    expect(tooSmall(facts({ target: { smallest: GiB } }))).toBeUndefined();
  });

  it("takes the source's size for a target without one, with room for a filesystem where a device is copied to one", () => {
    const open = (changes: Parameters<typeof facts>[0]) =>
      targetSize(facts({ ...changes, without: ['target.requested', ...(changes?.without ?? [])] }));
    expect(open({ source: { requested: GiB, capacity: 2n * GiB } })).toBe(2n * GiB);
    expect(open({ source: { requested: GiB }, without: ['source.capacity'] })).toBe(GiB);
    expect(open({ source: { capacity: 100n * MiB, volumeMode: 'Block' } })).toBe(106n * MiB);
    expect(open({ source: { capacity: GiB, volumeMode: 'Block' }, target: { volumeMode: 'Block' } })).toBe(GiB);
    expect(open({ source: { capacity: GiB }, target: { volumeMode: 'Block' } })).toBe(GiB);
    expect(open({ source: { capacity: GiB }, target: { smallest: 4n * GiB } })).toBe(4n * GiB);
    expect(open({ without: ['source.requested', 'source.capacity'] })).toBeUndefined();
    expect(open({ source: { volumeMode: 'Block' }, without: ['source.requested', 'source.capacity'] })).toBeUndefined();
    expect(targetSize(facts({ target: { requested: 3n * GiB } }))).toBe(3n * GiB);
  });
});

function requiredFor(capacity: bigint, from: 'Block' | 'Filesystem', to: 'Block' | 'Filesystem'): bigint {
  return from === to ? capacity : requiredBytes(usableBytes(capacity, from), to);
}

describe('a disk image', () => {
  const onDisk = { volumeMode: 'Filesystem' } as const;
  const device = { volumeMode: 'Block' } as const;

  it.each([
    ['stays as it is in a device', { ...device, capacity: GiB }, { ...device, requested: 2n * GiB }, 0n],
    ['stays as it is where no size is asked for', { ...device, capacity: GiB }, onDisk, 0n],
    ['stays as it is when nobody knows its size', onDisk, { ...onDisk, requested: 2n * GiB }, 0n],
    ['becomes as large as its user says', { ...device, capacity: GiB }, asked(3n * GiB, 4n * GiB), 3n * GiB],
    ['fills the volume asked for', { ...device, capacity: 100n * MiB }, asked(undefined, 212n * MiB), 200n * MiB],
    [
      'stays as it is where it has as much already, whatever was asked for at first',
      { ...device, capacity: 3n * GiB, requested: GiB },
      asked(2n * GiB, 3n * GiB),
      0n,
    ],
    [
      'is as large as what was asked for when nobody knows better',
      { ...device, requested: GiB },
      asked(2n * GiB, 3n * GiB),
      2n * GiB,
    ],
    ['stays as it is at its own size', { ...device, capacity: 2n * GiB }, asked(2n * GiB, 3n * GiB), 0n],
    ['on a filesystem is smaller than that', { ...onDisk, capacity: 106n * MiB }, asked(101n * MiB, GiB), 101n * MiB],
    ['in a device is not', { ...device, capacity: 106n * MiB }, asked(101n * MiB, GiB), 0n],
    [
      'of a snapshot that tells no mode is reckoned as on a filesystem',
      { capacity: 106n * MiB },
      asked(101n * MiB, GiB),
      101n * MiB,
    ],
  ])('%s', (_, source, target, size) => {
    expect(imageSize({ source, target })).toBe(size);
  });

  function asked(payload: bigint | undefined, requested: bigint) {
    return { ...onDisk, requested, ...(payload === undefined ? {} : { payload }) };
  }
});
