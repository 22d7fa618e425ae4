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
  /** The same tool past the page cache, as Clonegate asks for it. */
  readonly uncached?: string;
}

/** One copy of one case. */
export interface CopyRun {
  readonly case: CopyCase;
  readonly round: number;
  readonly by: 'plain' | 'uncached' | 'clonegate';
  /** From the first byte until the storage has the last one. */
  readonly seconds: number;
  /** Until the program has read its arguments; 0 by hand. */
  readonly startup: number;
  /** Seconds, user and system, of everything that ran. */
  readonly cpu: number;
  /** MiB that were resident at the most. */
  readonly memory: { readonly program: number | undefined; readonly tools: number };
  readonly wrong: readonly string[];
}

/** MiB that the program in the copy pod may take at the most, beside the tools. */
const mostMemory = 64;

/** One copy by a real pod, and beside it a pod on two such volumes that does nothing. Seconds, one after the other. */
export interface PodRun {
  readonly round: number;
  /** From the pod's creation until the program in it begins: scheduler, kubelet, driver, runtime, Node. */
  readonly start: number;
  /** Until the tool is started. */
  readonly prepare: number;
  /** Until the storage has all of it. */
  readonly copy: number;
  /** Until the API server tells that the pod has ended. */
  readonly told: number;
  /** From the creation of the idle pod until the API server tells that it has ended. */
  readonly idle: number;
  readonly wrong: readonly string[];
}

export function podTable(runs: readonly PodRun[]): Table {
  const of = (figure: (run: PodRun) => number): number => median(runs.map(figure));
  const all = ({ start, prepare, copy, told }: PodRun): number => start + prepare + copy + told;
  return {
    title: 'A copy pod with an image of 8 MiB, from its creation on (medians, s)',
    columns: ['pods', 'program runs', '+ copy begins', '+ copy ends', '+ API tells', 'all', 'idle pod', 'ratio'],
    rows: [
      [
        String(runs.length),
        of(({ start }) => start),
        of(({ prepare }) => prepare),
        of(({ copy }) => copy),
        of(({ told }) => told),
        of(all),
        of(({ idle }) => idle),
        of((run) => all(run) / run.idle),
      ],
    ],
  };
}

export function tablesOf(runs: readonly CopyRun[]): readonly Table[] {
  const cases = [...new Set(runs.map((run) => run.case))];
  return [
    {
      title: 'Copies until the storage has them (medians; MB are of the data, holes apart)',
      columns: ['', 'rounds', 's', 'MB/s', 'speed ratio', 'start-up s', 'CPU s', 'program MiB', 'tools MiB'],
      rows: cases.flatMap((one) => waysOf(one).map((by) => rowOf(runs, one, by))),
    },
  ];
}

function waysOf({ uncached }: CopyCase): readonly CopyRun['by'][] {
  return uncached === undefined ? ['plain', 'clonegate'] : ['plain', 'uncached', 'clonegate'];
}

function rowOf(runs: readonly CopyRun[], one: CopyCase, by: CopyRun['by']): Table['rows'][number] {
  const mine = runs.filter((run) => run.case === one && run.by === by);
  const of = (figure: (run: CopyRun) => number): number => median(mine.map(figure));
  const programs = mine.flatMap(({ memory }) => memory.program ?? []);
  return [
    `${one.name}, ${by === 'clonegate' ? 'Clonegate' : one[by]}`,
    mine.length,
    of(({ seconds }) => seconds),
    of(({ seconds }) => one.data / 1e6 / seconds),
    by === 'plain' ? undefined : median(ratios(runs, one, by)),
    by === 'clonegate' ? of(({ startup }) => startup) : undefined,
    of(({ cpu }) => cpu),
    programs.length === 0 ? undefined : Math.max(...programs),
    Math.max(...mine.map(({ memory }) => memory.tools)),
  ];
}

/** How fast against what was copied plainly in the same round: what the machine did beside us then falls on both. */
function ratios(runs: readonly CopyRun[], one: CopyCase, by: CopyRun['by']): readonly number[] {
  const of = (way: CopyRun['by']): readonly CopyRun[] => runs.filter((run) => run.case === one && run.by === way);
  return of(by).flatMap(({ round, seconds }) =>
    of('plain')
      .filter((plain) => plain.round === round)
      .map((plain) => plain.seconds / seconds),
  );
}

export function failuresOf(runs: readonly CopyRun[], pods: readonly PodRun[] = []): readonly string[] {
  return [
    ...runs.flatMap((run) =>
      [...run.wrong, ...tooLarge(run)].map((wrong) => `${run.case.name}, by ${run.by}, round ${run.round}: ${wrong}`),
    ),
    ...pods.flatMap(({ round, wrong }) => wrong.map((one) => `pods, round ${round}: ${one}`)),
  ];
}

function tooLarge({ memory: { program = 0 } }: CopyRun): readonly string[] {
  return program <= mostMemory ? [] : [`the program took ${program.toFixed(1)} MiB of ${mostMemory}`];
}
