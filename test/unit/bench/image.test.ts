import { expect, test } from 'vitest';
import { benched } from '../../bench/benched.ts';
import { failuresOf, forms, type Start, tablesOf } from '../../bench/image-findings.ts';
import { print } from '../../bench/report.ts';

const starts: readonly Start[] = benched.flatMap((program) =>
  [1, 2, 3].flatMap((round) =>
    // The machine was slow in the third round, for all alike.
    forms.map(({ key }, at) => {
      const took = (1000 - 400 * at) * (round === 3 ? 10 : 1);
      return { program, form: key, round, took, cpu: 100, rss: 80 - 10 * at, pss: 40, exitCode: 0 };
    }),
  ),
);

test('ratios are to the sources of the same round', () => {
  const text = print({
    title: '',
    notes: [],
    tables: tablesOf(starts, { app: 5_200_000 }),
    failures: failuresOf(starts),
  });
  expect(text).toMatch(/webhook, TypeScript and node_modules +3 +1000 +1 +100 +1 +80 +1 +40 +1\n/);
  expect(text).toMatch(/controller, bundle +3 +600 +0\.60 +100 +1 +70 +0\.88 +40 +1\n/);
  expect(text).toMatch(/app +5\.20/);
});

test('who does not end in order fails the run', () => {
  const [first, ...others] = starts;
  if (first === undefined) throw new Error('nobody was started');
  expect(failuresOf([{ ...first, exitCode: undefined }, ...others])).toEqual([
    'webhook (sources, round 1) ended with a signal after SIGTERM',
  ]);
});
