import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { median, percentile, rotated, sum } from '../../bench/stats.ts';

const values = fc.array(fc.integer(), { minLength: 1 });

describe('percentile', () => {
  test.each([
    [0.5, 5],
    [0.9, 9],
    [0.99, 10],
    [1, 10],
    [0.01, 1],
  ])('%f of the numbers 1 to 10 is %i', (p, expected) => {
    expect(percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], p)).toBe(expected);
  });

  test('has at least its share at or below it, and is one of the values', () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0.001, max: 1, noNaN: true }), (all, p) => {
        const value = percentile(all, p);
        expect(all).toContain(value);
        expect(all.filter((other) => other <= value).length).toBeGreaterThanOrEqual(p * all.length - 1e-9);
      }),
    );
  });

  test('of nothing is an error', () => {
    expect(() => percentile([], 0.5)).toThrow(RangeError);
  });
});

test('the median lies in the middle, between the two in the middle when there are two', () => {
  expect([median([3]), median([9, 1, 2]), median([4, 1, 3, 2])]).toEqual([3, 2, 2.5]);
  expect(() => median([])).toThrow(RangeError);
});

test('the sum of nothing is nothing', () => {
  expect([sum([]), sum([1, 2, 3])]).toEqual([0, 6]);
});

test('in as many rounds as there are items, each comes first once, and the order stays', () => {
  const items = ['a', 'b', 'c'];
  expect([0, 1, 2, 3].map((round) => rotated(items, round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
});
