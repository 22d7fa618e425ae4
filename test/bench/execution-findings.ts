import type { Memory } from './proc.ts';
import type { Table } from './report.ts';
import { median, percentile, sum } from './stats.ts';
import { type Cell, type Way, ways } from './ways.ts';

/** From what the benchmark of the execution measured to its tables, and to what must hold. Pure. */

export interface Executed {
  readonly cells: readonly Cell[];
  readonly memory: Memory;
}

export function tablesOf({ cells, memory }: Executed): readonly Table[] {
  const rows = (row: (way: Way, mine: readonly Cell[], count: number) => Table['rows'][number]): Table['rows'] =>
    countsOf(cells).flatMap((count) =>
      ways.flatMap((way) => {
        const mine = cellsOf(cells, way.key, count);
        return mine.length === 0 ? [] : [row(way, mine, count)];
      }),
    );
  return [
    {
      title: 'From the first create until it is there (ratio: to the same by hand, median over the rounds)',
      columns: ['', 'at once', 'rounds', 'median ms', 'last ms', 'per second', 'ratio', 'ratio of the last'],
      rows: rows((way, mine, count) => [
        way.name,
        count,
        mine.length,
        median(mine.map(middle)),
        median(mine.map(last)),
        median(mine.map((cell) => (count * 1000) / last(cell))),
        ratio(cells, mine, middle),
        ratio(cells, mine, last),
      ]),
    },
    {
      title: "The controller's requests for each clone (audit log; watches and leases apart), and what each costs",
      columns: ['', 'at once', 'writes', 'events', 'reads', 'snapshots', 'controller CPU ms', 'API server CPU ms'],
      rows: rows((way, mine, count) => {
        const each = (figure: (cell: Cell) => number): number => sum(mine.map(figure)) / (mine.length * count);
        const ours = (figure: (cell: Cell) => number): number | undefined => (way.byHand ? undefined : each(figure));
        return [
          way.name,
          count,
          ours(({ requests }) => requests.writes),
          ours(({ requests }) => requests.events),
          ours(({ requests }) => requests.reads),
          each(({ snapshots }) => snapshots),
          ours(({ cpu }) => cpu.controller),
          each(({ cpu }) => cpu.apiServer),
        ];
      }),
    },
    {
      title: 'The controller as a process',
      columns: ['', 'resident MiB', 'peak MiB', 'CPU seconds'],
      rows: [['controller', memory.now, memory.peak, sum(cells.map(({ cpu }) => cpu.controller)) / 1000]],
    },
  ];
}

/** Nothing about times: what is there must be right, and must not have taken more writes than it may. */
export function failuresOf({ cells }: Executed): readonly string[] {
  return cells.flatMap((cell) => {
    const { way, count, round, requests, wrong } = cell;
    const where = `${way.name}, ${count} at once, round ${round}`;
    const most = (way.budget ?? Number.POSITIVE_INFINITY) * count;
    return [
      ...wrong.map((what) => `${where}: ${what}`),
      ...(requests.writes <= most ? [] : [`${where}: ${requests.writes} writes, ${most} at most are in the budget`]),
    ];
  });
}

function countsOf(cells: readonly Cell[]): readonly number[] {
  return [...new Set(cells.map(({ count }) => count))].toSorted((a, b) => a - b);
}

function cellsOf(cells: readonly Cell[], key: string, count: number): readonly Cell[] {
  return cells.filter((cell) => cell.way.key === key && cell.count === count);
}

const middle = ({ took }: Cell): number => percentile(took, 0.5);
const last = ({ took }: Cell): number => Math.max(...took);

/** Each against what was made by hand in the same round: what the machine did beside us then falls on both. */
function ratio(cells: readonly Cell[], mine: readonly Cell[], figure: (cell: Cell) => number): number | undefined {
  const ratios = mine.flatMap((cell) => {
    const base = cellsOf(cells, cell.way.base, cell.count).find(({ round }) => round === cell.round);
    return base === undefined || base === cell ? [] : [figure(cell) / figure(base)];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}
