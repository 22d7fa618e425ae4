import { describe, expect, test } from 'vitest';
import { type CopyCase, type CopyRun, failuresOf, tablesOf } from '../../bench/copy-findings.ts';

const one: CopyCase = { name: 'image', content: 'kubevirt', bytes: 20e9, data: 1e9, plain: 'by hand' };

function run(by: CopyRun['by'], round: number, seconds: number, over: Partial<CopyRun> = {}): CopyRun {
  const program = by === 'plain' ? undefined : 60 + round;
  return { case: one, round, by, seconds, startup: 0.5, cpu: 1, memory: { program, tools: 20 }, wrong: [], ...over };
}

/** The machine was busy with something else in the last round. */
const runs = [
  run('plain', 0, 2),
  run('clonegate', 0, 1),
  run('clonegate', 1, 2),
  run('plain', 1, 2),
  run('plain', 2, 20),
  run('clonegate', 2, 40),
];

describe('the table of copies', () => {
  const [table] = tablesOf(runs);
  const rowOf = (name: string) =>
    Object.fromEntries(
      (table?.columns ?? []).map((column, at) => [column, table?.rows.find(([first]) => first === name)?.[at]]),
    );

  test('holds each copy against the plain one of the same round', () => {
    expect(rowOf('image, Clonegate')).toMatchObject({
      rounds: 3,
      s: 2,
      'MB/s': 500,
      'speed ratio': 1,
      'start-up s': 0.5,
    });
  });

  test('tells the most memory that was ever used, of a program of ours apart', () => {
    expect(rowOf('image, Clonegate')).toMatchObject({ 'program MiB': 62, 'tools MiB': 20 });
    expect(rowOf('image, by hand')).toMatchObject({ 'program MiB': undefined, 'speed ratio': undefined });
  });
});

test('a copy that is not the same fails the run', () => {
  expect(failuresOf(runs)).toEqual([]);
  expect(failuresOf([...runs, run('clonegate', 3, 1, { wrong: ['disk.img differs'] })])).toEqual([
    'image, by clonegate, round 3: disk.img differs',
  ]);
});
