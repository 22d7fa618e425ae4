import type { Table } from './report.ts';
import { median } from './stats.ts';

/** From what the benchmark of copies measured to its tables. Pure. */

export interface CopyCase {
  readonly name: string;
  readonly content: 'kubevirt' | 'archive';
  /** Bytes of all, and of those that are data. */
  readonly bytes: number;
  readonly data: number;
  /** What one would type instead. */
  readonly plain: string;
}

/** One copy of one case. */
export interface CopyRun {
  readonly case: CopyCase;
  readonly round: number;
  readonly by: 'plain' | 'clonegate';
  /** From the first byte until the storage has the last one. */
  readonly seconds: number;
  /** Until the program has read its arguments; 0 of what is plain. */
  readonly startup: number;
  /** Seconds, user and system, of everything that ran. */
  readonly cpu: number;
  /** MiB that were resident at the most. */
  readonly memory: { readonly program: number | undefined; readonly tools: number };
  readonly wrong: readonly string[];
}

export function tablesOf(runs: readonly CopyRun[]): readonly Table[] {
  const cases = [...new Set(runs.map((run) => run.case))];
  return [
    {
      title: 'Copies until the storage has them (medians; MB are of the data, holes apart)',
      columns: ['', 'rounds', 's', 'MB/s', 'speed ratio', 'start-up s', 'CPU s', 'program MiB', 'tools MiB'],
      rows: cases.flatMap((one) => (['plain', 'clonegate'] as const).map((by) => rowOf(runs, one, by))),
    },
  ];
}

function rowOf(runs: readonly CopyRun[], one: CopyCase, by: CopyRun['by']): Table['rows'][number] {
  const mine = runs.filter((run) => run.case === one && run.by === by);
  const of = (figure: (run: CopyRun) => number): number => median(mine.map(figure));
  const programs = mine.flatMap(({ memory }) => memory.program ?? []);
  return [
    `${one.name}, ${by === 'plain' ? one.plain : 'Clonegate'}`,
    mine.length,
    of(({ seconds }) => seconds),
    of(({ seconds }) => one.data / 1e6 / seconds),
    by === 'plain' ? undefined : median(ratios(runs, one)),
    by === 'plain' ? undefined : of(({ startup }) => startup),
    of(({ cpu }) => cpu),
    programs.length === 0 ? undefined : Math.max(...programs),
    Math.max(...mine.map(({ memory }) => memory.tools)),
  ];
}

/** How fast against what was copied plainly in the same round: what the machine did beside us then falls on both. */
function ratios(runs: readonly CopyRun[], one: CopyCase): readonly number[] {
  const of = (by: CopyRun['by']): readonly CopyRun[] => runs.filter((run) => run.case === one && run.by === by);
  return of('clonegate').flatMap(({ round, seconds }) =>
    of('plain')
      .filter((plain) => plain.round === round)
      .map((plain) => plain.seconds / seconds),
  );
}

export function failuresOf(runs: readonly CopyRun[]): readonly string[] {
  return runs.flatMap((run) =>
    run.wrong.map((wrong) => `${run.case.name}, by ${run.by}, round ${run.round}: ${wrong}`),
  );
}
