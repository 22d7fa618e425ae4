import { expect, test } from 'vitest';
import { createMeter } from '../../../../controller/mover/progress.ts';
import type { CopyProgress } from '../../../../shared/api/copy.ts';
import { FakeClock } from '../../../support/clock.ts';

function scene() {
  const clock = new FakeClock();
  const lines: CopyProgress[] = [];
  return { clock, lines, meter: createMeter(clock, (line) => lines.push(line)) };
}

test('progress is told at most once a second', async () => {
  const { clock, lines, meter } = scene();
  const done = meter.begin('copying', 1000n);
  for (let at = 0; at < 30; at += 1) {
    done(BigInt(at));
    await clock.advance(100);
  }
  meter.begin('verifying', 1000n)(5n);
  expect(lines.map((line) => `${line.step} ${line.done}`)).toEqual([
    'copying 0',
    'copying 10',
    'copying 20',
    'verifying 5',
  ]);
});

test('what is done never grows less, nor more than there is', async () => {
  const { clock, lines, meter } = scene();
  const done = meter.begin('copying', 100n);
  for (const told of [50n, 40n, 60n, 200n, 90n]) {
    done(told);
    await clock.advance(1000);
  }
  expect(lines.map((line) => line.done)).toEqual(['50', '50', '60', '100', '100']);
});

test('rate and rest follow the last seconds, and exact bytes are kept', async () => {
  const { clock, lines, meter } = scene();
  const total = 2n ** 60n + 1n;
  const done = meter.begin('copying', total);
  done(0n);
  for (let second = 1; second <= 20; second += 1) {
    await clock.advance(1000);
    done(second <= 10 ? 0n : BigInt(second - 10) * 2n ** 55n);
  }
  expect(lines[0]).toEqual({ copy: 'progress', step: 'copying', done: '0', total: String(total), rate: 0 });
  expect(lines[5]).not.toHaveProperty('remaining');
  expect(lines.at(-1)).toMatchObject({ rate: 2 ** 55, remaining: 22, total: '1152921504606846977' });
});
