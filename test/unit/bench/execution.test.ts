import { describe, expect, test } from 'vitest';
import { failuresOf, tablesOf } from '../../bench/execution-findings.ts';
import { type Cell, ways } from '../../bench/ways.ts';

function cell(key: string, round: number, took: readonly number[], over: Partial<Cell> = {}): Cell {
  const way = ways.find((one) => one.key === key);
  if (way === undefined) throw new Error(key);
  const cpu = { controller: way.byHand ? 0 : 20, apiServer: 40 };
  const requests = { writes: way.byHand ? 0 : 5 * took.length, events: 0, reads: 0 };
  return { way, count: took.length, round, took, cpu, requests, snapshots: 0, wrong: [], ...over };
}

const memory = { now: 80, own: 30, peak: 100 };
const good = [1, 2, 3].flatMap((round) => {
  // The machine was busy with something else in the third round.
  const slow = round === 3 ? 10 : 1;
  return [cell('csi-hand', round, [100 * slow, 200 * slow]), cell('csi', round, [150 * slow, 600 * slow])];
});

function rowOf(cells: readonly Cell[], title: RegExp, name: string): Readonly<Record<string, unknown>> {
  const table = tablesOf({ cells, memory }).find((one) => title.test(one.title));
  const row = table?.rows.find(([first]) => first === name);
  return Object.fromEntries((table?.columns ?? []).map((column, at) => [column, row?.[at]]));
}

describe('the tables', () => {
  test('hold each way against what was made by hand in the same round', () => {
    expect(rowOf(good, /^From the first create/, 'csi-clone')).toMatchObject({
      'at once': 2,
      rounds: 3,
      'median ms': 150,
      'last ms': 600,
      ratio: 1.5,
      'ratio of the last': 3,
    });
    expect(rowOf(good, /^From the first create/, 'claim with dataSource, by hand')['ratio']).toBeUndefined();
  });

  test('tell requests and CPU for each clone, and none of the controller for what it did not make', () => {
    expect(rowOf(good, /requests for each clone/, 'csi-clone')).toMatchObject({
      writes: 5,
      'controller CPU ms': 10,
      'API server CPU ms': 20,
    });
    expect(rowOf(good, /requests for each clone/, 'claim with dataSource, by hand')['writes']).toBeUndefined();
  });
});

describe('a run', () => {
  test('whose clones are right and within the budget is a success, however slow', () => {
    expect(failuresOf({ cells: good, memory })).toEqual([]);
  });

  test('with a write too many, or with wrong bytes, is a failure that says where', () => {
    const cells = [
      cell('csi', 4, [1, 1], { requests: { writes: 11, events: 0, reads: 0 } }),
      cell('snap', 4, [1], { wrong: ['copy-0 does not hold the bytes of its source'] }),
    ];

    expect(failuresOf({ cells, memory })).toEqual([
      'csi-clone, 2 at once, round 4: 11 writes, 10 at most are in the budget',
      'snapshot, 1 at once, round 4: copy-0 does not hold the bytes of its source',
    ]);
  });
});
