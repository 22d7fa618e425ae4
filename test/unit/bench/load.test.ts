import { expect, test } from 'vitest';
import { drive } from '../../bench/load.ts';

test('as many requests are in flight as asked for, until there are none left to send', async () => {
  const waiting: (() => void)[] = [];
  const sent: number[] = [];
  const run = drive(5, 2, async (index) => {
    sent.push(index);
    await new Promise<void>((resolve) => waiting.push(resolve));
    return 201;
  });
  for (const expected of [
    [0, 1],
    [0, 1, 2],
    [0, 1, 2, 3],
    [0, 1, 2, 3, 4],
  ]) {
    await expect.poll(() => sent).toEqual(expected);
    waiting.shift()?.();
  }
  await expect.poll(() => waiting.length).toBe(1);
  waiting.shift()?.();
  const { samples } = await run;
  expect(samples.map(({ code }) => code)).toEqual([201, 201, 201, 201, 201]);
});

test('no more callers than requests', async () => {
  const { samples, seconds } = await drive(1, 128, async () => 403);
  expect(samples).toMatchObject([{ code: 403 }]);
  expect(seconds).toBeGreaterThan(0);
});

test('a request that fails ends the run', async () => {
  const failing = drive(10, 2, async (index) => {
    if (index === 3) throw new Error('connection lost');
    return 201;
  });
  await expect(failing).rejects.toThrow('connection lost');
});
