import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { elapsed, startProgress } from '../../../support/cluster/progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const screenOf = (isTTY: boolean) => {
  const written: string[] = [];
  return { written, screen: { isTTY, write: (text: string) => written.push(text) } };
};

test('where nobody looks on, a line comes every ten seconds with the time that has passed', () => {
  const { written, screen } = screenOf(false);
  const progress = startProgress('building', screen);
  progress.now('compiling');
  vi.advanceTimersByTime(20_000);
  progress.done('done');
  vi.advanceTimersByTime(60_000);
  expect(written).toEqual([
    'building [0s] starting\n',
    'building [10s] compiling\n',
    'building [20s] compiling\n',
    'building [20s] done\n',
  ]);
});

test('on a terminal one line is written over, and ended at the end', () => {
  const { written, screen } = screenOf(true);
  const progress = startProgress('building', screen);
  vi.advanceTimersByTime(500);
  progress.done('done');
  expect(written).toHaveLength(4);
  expect(written.slice(0, 3).every((text) => text.startsWith('\r\u001B[K') && !text.includes('\n'))).toBe(true);
  expect(written.at(-1)).toBe('\n');
});

test.for([
  [0, '0s'],
  [59_999, '59s'],
  [60_000, '1m00s'],
  [3_599_000, '59m59s'],
] as const)('%i ms are %s', ([ms, text]) => {
  expect(elapsed(ms)).toBe(text);
});
