import { expect, test } from 'vitest';
import { print } from '../../bench/report.ts';
import { failuresOf, type Standing, tablesOf } from '../../bench/scale-findings.ts';

const quiet: Standing = {
  program: 'controller',
  machines: 1000,
  took: 1000,
  cpu: 500,
  busy: { now: 140, own: 90, peak: 150 },
  memory: { now: 130, own: 85, peak: 150 },
  asked: new Map([
    ['list pods', 4],
    ['create leases', 1],
  ]),
  after: new Map([['update leases', 2]]),
};
const empty: Standing = { ...quiet, machines: 0, memory: { now: 80, own: 30, peak: 90 } };

test('what a machine takes is what came on top of an empty cluster', () => {
  const text = print({ title: '', notes: [], tables: tablesOf([empty, quiet]), failures: [] });
  const row = text.split('\n').find((line) => /^ {2}controller +1000 /.test(line));
  // 50 MiB for 1,000 machines.
  expect(row?.trim().split(/\s+/)).toEqual([
    'controller',
    '1000',
    '1000',
    '500',
    '140',
    '130',
    '85',
    '150',
    '250',
    '51.2',
    '5',
    '4',
    '2',
  ]);
});

test('a write to what is finished, and a list when it was idle, are failures', () => {
  expect(failuresOf([empty, quiet])).toEqual([]);
  const busy = {
    ...quiet,
    after: new Map([
      ['patch datavolumes', 3],
      ['list pods', 1],
    ]),
  };
  expect(failuresOf([busy])).toEqual([
    'controller beside 1000 virtual machines sent 3 patch datavolumes, though nothing was to be done',
    'controller beside 1000 virtual machines listed 1 times when it was idle',
  ]);
});
