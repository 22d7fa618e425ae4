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
  /** Of a tree. */
  readonly files?: number;
  /** How often each way copies it. */
  readonly rounds: number;
  /** The same tool past the page cache, as Clonegate asks for it. */
  readonly uncached?: string;
}

/** One copy of one case. */
export interface CopyRun {
  readonly case: CopyCase;
  readonly round: number;
  /** `apart`: by two pods of Clonegate's. */
  readonly by: 'plain' | 'uncached' | 'clonegate' | 'apart';
  /** From the first byte until the storage has the last one. */
  readonly seconds: number;
  /** Until the program has read its arguments; 0 by hand. */
  readonly startup: number;
  /** Seconds, user and system, of everything that ran. */
  readonly cpu: number;
  /** MiB that were resident at the most. */
  readonly memory: {
    /** Ours; of two pods, in the one with the destination. */
    readonly program: number | undefined;
    /** In the other one. */
    readonly exporter?: number;
    readonly tools: number;
  };
  /** Bytes over the network, of two pods. */
  readonly sent?: number;
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
    {
      title:
        'The same by two pods over TLS, against one pod in the same round (medians; MB are of the data, holes apart)',
      columns: ['', 'rounds', 's', 'MB/s', 'speed ratio', 'CPU s', 'MB sent', 'export MiB', 'import MiB', 'tools MiB'],
      rows: cases
        .filter((one) => runs.some((run) => run.case === one && run.by === 'apart'))
        .map((one) => apartRow(runs, one)),
    },
  ];
}

type Plain = 'plain' | 'uncached';

function waysOf({ uncached }: CopyCase): readonly (Plain | 'clonegate')[] {
  return uncached === undefined ? ['plain', 'clonegate'] : ['plain', 'uncached', 'clonegate'];
}

function rowOf(runs: readonly CopyRun[], one: CopyCase, by: Plain | 'clonegate'): Table['rows'][number] {
  const mine = runs.filter((run) => run.case === one && run.by === by);
  const of = (figure: (run: CopyRun) => number): number => median(mine.map(figure));
  const programs = mine.flatMap(({ memory }) => memory.program ?? []);
  return [
    `${one.name}, ${by === 'clonegate' ? 'Clonegate' : one[by]}`,
    mine.length,
    of(({ seconds }) => seconds),
    of(({ seconds }) => one.data / 1e6 / seconds),
    by === 'plain' ? undefined : median(ratios(runs, one, by, 'plain')),
    by === 'clonegate' ? of(({ startup }) => startup) : undefined,
    of(({ cpu }) => cpu),
    programs.length === 0 ? undefined : Math.max(...programs),
    Math.max(...mine.map(({ memory }) => memory.tools)),
  ];
}

function apartRow(runs: readonly CopyRun[], one: CopyCase): Table['rows'][number] {
  const mine = runs.filter((run) => run.case === one && run.by === 'apart');
  const of = (figure: (run: CopyRun) => number): number => median(mine.map(figure));
  return [
    one.name,
    mine.length,
    of(({ seconds }) => seconds),
    of(({ seconds }) => one.data / 1e6 / seconds),
    median(ratios(runs, one, 'apart', 'clonegate')),
    of(({ cpu }) => cpu),
    of(({ sent = 0 }) => sent / 1e6),
    Math.max(...mine.map(({ memory }) => memory.exporter ?? 0)),
    Math.max(...mine.map(({ memory }) => memory.program ?? 0)),
    Math.max(...mine.map(({ memory }) => memory.tools)),
  ];
}

type By = CopyRun['by'];

/** How fast against another way in the same round: what the machine did beside us then falls on both. */
function ratios(runs: readonly CopyRun[], one: CopyCase, by: By, against: By): readonly number[] {
  const of = (way: By): readonly CopyRun[] => runs.filter((run) => run.case === one && run.by === way);
  return of(by).flatMap(({ round, seconds }) =>
    of(against)
      .filter((other) => other.round === round)
      .map((other) => other.seconds / seconds),
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

function tooLarge({ memory: { program = 0, exporter = 0 } }: CopyRun): readonly string[] {
  const most = Math.max(program, exporter);
  return most <= mostMemory ? [] : [`the program took ${most.toFixed(1)} MiB of ${mostMemory}`];
}
