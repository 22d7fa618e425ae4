import { expect, test } from 'vitest';
import { createBackoff } from '../../../shared/kube/backoff.ts';

const waits = (random: number, count: number): number[] => {
  const backoff = createBackoff(() => random);
  return Array.from({ length: count }, () => backoff.next(0));
};

test('waits double from 0.8 s to 30 s, the upper half of each being random', () => {
  expect(waits(0, 8)).toEqual([800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000, 15_000]);
  expect(waits(1, 8)).toEqual([1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000]);
});

test('half a minute without a failure begins from the bottom, anything shorter does not', () => {
  const backoff = createBackoff(() => 0);
  expect([backoff.next(0), backoff.next(29_999), backoff.next(29_999)]).toEqual([800, 1_600, 3_200]);
  expect([backoff.next(30_000), backoff.next(0)]).toEqual([800, 1_600]);
});
