import { describe, expect, test } from 'vitest';
import { type CopyCase, type CopyRun, failuresOf, podTable, tablesOf } from '../../bench/copy-findings.ts';

const one: CopyCase = { name: 'image', content: 'kubevirt', bytes: 20e9, data: 1e9, rounds: 2, plain: 'by hand' };

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

  test('shows the same tool past the page cache beside both, where there is one', () => {
    const both = { ...one, uncached: 'past it' };
    const three = (['plain', 'uncached', 'clonegate'] as const).map((by, at) => run(by, 0, 4 - at, { case: both }));
    const rows = tablesOf(three)[0]?.rows ?? [];
    expect(rows.map(([name, , s, , ratio]) => [name, s, ratio])).toEqual([
      ['image, by hand', 4, undefined],
      ['image, past it', 3, 4 / 3],
      ['image, Clonegate', 2, 2],
    ]);
  });

  test('tells the most memory that was ever used, of a program of ours apart', () => {
    expect(rowOf('image, Clonegate')).toMatchObject({ 'program MiB': 62, 'tools MiB': 20 });
    expect(rowOf('image, by hand')).toMatchObject({ 'program MiB': undefined, 'speed ratio': undefined });
  });
});

describe('the table of two pods', () => {
  const apart = run('apart', 1, 4, { sent: 3e9, memory: { program: 61, exporter: 62, tools: 30 } });

  test('holds them against one pod in the same round, and tells what went over the network', () => {
    const { columns = [], rows = [] } = tablesOf([...runs, apart])[1] ?? {};
    expect(rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at]])))).toEqual([
      {
        '': 'image',
        rounds: 1,
        s: 4,
        'MB/s': 250,
        'speed ratio': 0.5,
        'CPU s': 1,
        'MB sent': 3000,
        'export MiB': 62,
        'import MiB': 61,
        'tools MiB': 30,
      },
    ]);
  });

  test('has nothing of what was not copied by two', () => {
    expect(tablesOf(runs)[1]?.rows).toEqual([]);
  });

  test('a pod of two that takes too much memory fails the run', () => {
    const memory = { program: 60, exporter: 64.5, tools: 20 };
    expect(failuresOf([run('apart', 0, 1, { memory })])).toEqual([
      'image, by apart, round 0: the program took 64.5 MiB of 64',
    ]);
  });
});

describe('the table of pods', () => {
  const pod = { start: 2, prepare: 0.1, copy: 0.3, told: 0.6, idle: 1.5, wrong: [] };
  const { columns, rows } = podTable([
    { ...pod, round: 1 },
    { ...pod, round: 2, start: 20, idle: 11 },
    { ...pod, round: 3 },
  ]);

  test('tells what comes before the copy, and after it, and each against the idle pod of its round', () => {
    expect(Object.fromEntries(columns.map((column, at) => [column, rows[0]?.[at]]))).toEqual({
      pods: '3',
      'program runs': 2,
      '+ copy begins': 0.1,
      '+ copy ends': 0.3,
      '+ API tells': 0.6,
      all: 3,
      'idle pod': 1.5,
      ratio: 2,
    });
  });

  test('a pod that failed fails the run', () => {
    expect(failuresOf([], [{ ...pod, round: 2, wrong: ['no'] }])).toEqual(['pods, round 2: no']);
  });
});

test('a program that takes too much memory fails the run, and a tool does not', () => {
  const memory = { program: 64.5, tools: 500 };
  expect(failuresOf([run('clonegate', 0, 1, { memory })])).toEqual([
    'image, by clonegate, round 0: the program took 64.5 MiB of 64',
  ]);
  expect(failuresOf([run('plain', 0, 1, { memory: { program: undefined, tools: 500 } })])).toEqual([]);
});

test('a copy that is not the same fails the run', () => {
  expect(failuresOf(runs)).toEqual([]);
  expect(failuresOf([...runs, run('clonegate', 3, 1, { wrong: ['disk.img differs'] })])).toEqual([
    'image, by clonegate, round 3: disk.img differs',
  ]);
});
