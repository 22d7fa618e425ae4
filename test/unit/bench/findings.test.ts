import { describe, expect, test } from 'vitest';
import { requestsOf } from '../../bench/audit.ts';
import { type Cell, failuresOf, type Measured, tablesOf } from '../../bench/findings.ts';
import { print } from '../../bench/report.ts';
import { allSeries, type Series } from '../../bench/series.ts';

function cell(key: Series['key'], round: number, took: readonly number[], over: Partial<Cell> = {}): Cell {
  const series = allSeries.find((one) => one.key === key);
  if (series === undefined) throw new Error(key);
  const cpu = { webhook: 10, apiServer: 20 };
  const span = { from: 0, to: 1 };
  return { series, inFlight: 1, round, took, seconds: 1, span, wrong: [], cpu, calls: 0, ...over };
}

const good: Measured = {
  cells: [1, 2, 3].flatMap((round) => [
    cell('none', round, [4]),
    // The machine was busy with something else in the third round.
    cell('bare', round, [round === 3 ? 80 : 6]),
    cell('review', round, [2]),
    cell('clonegate', round, [round === 3 ? 100 : 8]),
  ]),
  requests: {
    allowed: new Map([
      ['create subjectaccessreviews', 3],
      ['get persistentvolumeclaims', 3],
    ]),
    denied: new Map(),
  },
  memory: { bare: { now: 50, own: 10, peak: 60 }, clonegate: { now: 80, own: 30, peak: 90 } },
  bare: { calls: { '1.1': 6 }, handshakes: 1 },
  protocol: 'http/1.1',
};

function rowOf(title: RegExp, name: string): readonly unknown[] {
  const table = tablesOf(good).find((one) => title.test(one.title));
  const row = table?.rows.find(([first]) => first === name) ?? [];
  return (table?.columns ?? []).map((column, at) => [column, row[at]]);
}

describe('the tables', () => {
  test('have each series against its base of the same round', () => {
    const row = new Map(rowOf(/^Creates/, 'Clonegate') as [string, unknown][]);
    expect(Object.fromEntries(row)).toMatchObject({
      requests: 3,
      'p50 ms': 8,
      'per second': 1,
      'added p50 ms': 4,
      'p50 ratio': 2,
      'rate ratio': 1,
      'webhook CPU ms': 10,
    });
    expect(new Map(rowOf(/^Creates/, 'no webhook') as [string, unknown][]).get('p50 ratio')).toBeUndefined();
  });

  test('have the budget: the bare webhook and one review', () => {
    expect(rowOf(/^Budget/, '1 in flight')).toEqual([
      ['', '1 in flight'],
      ['one review', 2],
      ['budget', 8],
      ['Clonegate', 8],
      ['ratio to budget', 1],
    ]);
  });

  test('are printed in columns, rounded to what can be told apart', () => {
    const rows = [
      ['no webhook', 1, 0.123_456, undefined],
      ['a', 12, 1234.5, 12.34],
    ];
    const table = { title: 'Creates', columns: ['', 'n', 'p50', 'ratio'], rows };
    expect(print({ title: 'T', notes: ['n'], tables: [table], failures: ['too slow'] }).split('\n')).toEqual([
      'T',
      '',
      'n',
      '',
      'Creates',
      '               n   p50  ratio',
      '  no webhook   1  0.12      -',
      '  a           12  1235   12.3',
      '',
      'Failed:',
      '  too slow',
      '',
    ]);
  });
});

describe('a run', () => {
  test('is good when every answer was right and the budget was kept', () => {
    expect(failuresOf(good)).toEqual([]);
  });

  const requests = (...allowed: [string, number][]): Partial<Measured> => ({
    requests: { allowed: new Map(allowed), denied: new Map() },
  });
  test.each<readonly [string, Partial<Measured>, RegExp]>([
    ['a create was not asked about', requests(['create subjectaccessreviews', 2]), /^2 SubjectAccessReviews for 3/],
    ['a create was asked about twice', requests(['create subjectaccessreviews', 4]), /^4 SubjectAccessReviews for 3/],
    [
      'more was read than the source',
      requests(['create subjectaccessreviews', 3], ['get persistentvolumeclaims', 3], ['get namespaces', 3]),
      /^6 GETs for 3/,
    ],
    [
      'more was done',
      requests(['create subjectaccessreviews', 3], ['list pods', 3]),
      /nothing else, but .* 3 list pods/,
    ],
    [
      'an answer was wrong',
      { cells: good.cells.map((one) => ({ ...one, wrong: one.series.key === 'bare' ? [500] : [] })) },
      /^bare node:https, 1 in flight: 1 of 1 answers were not 201 but 500/,
    ],
    [
      'the webhook was called for a label',
      { cells: [...good.cells, cell('label-clonegate', 1, [1], { calls: 7 })] },
      /^Clonegate was called 7 times/,
    ],
    ['Clonegate offers HTTP/2', { protocol: 'h2' }, /took h2/],
    ['the bare webhook was called by HTTP/2', { bare: { calls: { '2.0': 6 }, handshakes: 1 } }, /HTTP\/2\.0/],
  ])('has failed when %s', (_, over, message) => {
    expect(failuresOf({ ...good, ...over })[0]).toMatch(message);
  });
});

test('requests are counted by user, kind and time, watches apart', () => {
  const event = (over: object): never =>
    ({
      stage: 'ResponseComplete',
      user: { username: 'webhook' },
      verb: 'get',
      objectRef: { resource: 'pods' },
      requestReceivedTimestamp: '2026-01-01T00:00:01.000000Z',
      ...over,
    }) as never;
  const second = Date.parse('2026-01-01T00:00:01Z');
  const events = [
    event({}),
    event({ verb: 'create' }),
    event({ verb: 'watch' }),
    event({ stage: 'ResponseStarted' }),
    event({ user: { username: 'other' } }),
    event({ requestReceivedTimestamp: '2026-01-01T00:00:03Z' }),
    event({ requestReceivedTimestamp: '2026-01-01T00:00:05Z', objectRef: undefined }),
  ];
  const spans = [
    { from: second, to: second },
    { from: second + 3500, to: second + 4500 },
  ];
  expect(Object.fromEntries(requestsOf(events, 'webhook', spans))).toEqual({
    'get pods': 1,
    'create pods': 1,
    'get other': 1,
  });
});
