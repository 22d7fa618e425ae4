import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { capacityFor, DEFAULT_BYTES, fits, GRANULE_BYTES, MAX_BYTES, MIN_BYTES } from '../../../support/csi/sizes.ts';

const range = (requiredBytes: number | string, limitBytes: number | string = 0) => ({
  requiredBytes: String(requiredBytes),
  limitBytes: String(limitBytes),
});

describe('the size of a new volume', () => {
  test('is exactly what was asked for when that is a multiple of the granule', () => {
    expect(capacityFor(range(335_544_320))).toBe(335_544_320);
  });

  test('is rounded up to the next granule, never down', () => {
    expect(capacityFor(range(335_544_321))).toBe(335_544_320 + GRANULE_BYTES);
  });

  test('is the default when nothing was asked for', () => {
    expect(capacityFor(null)).toBe(DEFAULT_BYTES);
  });

  test('is below the default when only a smaller limit was given', () => {
    expect(capacityFor(range(0, 10 * MIN_BYTES + 1))).toBe(10 * MIN_BYTES);
  });

  test('is the size of the source when nothing was asked for', () => {
    expect(capacityFor(null, 3 * DEFAULT_BYTES)).toBe(3 * DEFAULT_BYTES);
  });

  test('is refused when rounding would go over the limit', () => {
    const asked = range(MIN_BYTES + 1, MIN_BYTES + 2);
    expect(() => capacityFor(asked)).toThrow(expect.objectContaining({ code: status.OUT_OF_RANGE }));
  });

  test.each([
    ['a limit below what is required', range(2 * MIN_BYTES, MIN_BYTES), status.INVALID_ARGUMENT],
    ['negative bytes', range(-1), status.INVALID_ARGUMENT],
    ['more than the largest volume', range(MAX_BYTES + 1), status.OUT_OF_RANGE],
    ['the largest number that the protocol has', range('9223372036854775807'), status.OUT_OF_RANGE],
    ['a limit below the smallest volume', range(0, 4096), status.OUT_OF_RANGE],
  ])('is refused for %s', (_, asked, code) => {
    expect(() => capacityFor(asked)).toThrow(expect.objectContaining({ code }));
  });

  test('always fits the range it was made for', () => {
    const bytes = fc.integer({ min: 0, max: 2 ** 42 });
    fc.assert(
      fc.property(bytes, bytes, bytes, (required, room, floor) => {
        const asked = range(required, Math.max(required, floor, DEFAULT_BYTES) + GRANULE_BYTES + room);
        const capacity = capacityFor(asked, floor);
        expect(fits(capacity, asked)).toBe(true);
        expect(capacity).toBeGreaterThanOrEqual(floor);
        expect(capacity % GRANULE_BYTES).toBe(0);
      }),
    );
  });
});

describe('a volume that exists', () => {
  test.each([
    [4096, range(4096), true],
    [4096, range(4097), false],
    [8192, range(4096, 8192), true],
    [8192, range(4096, 8191), false],
    [8192, null, true],
  ])('of %i bytes fits %j: %s', (bytes, asked, expected) => {
    expect(fits(bytes, asked)).toBe(expected);
  });
});
