import { type Benched, benched } from './benched.ts';
import type { Table } from './report.ts';
import { median } from './stats.ts';

/** From what the benchmark of the image measured to its tables, and to what must hold. Pure. */

/** In which a program was run, all with the same Node in the same container. */
export const forms = [
  { key: 'sources', name: 'TypeScript and node_modules' },
  { key: 'bundle', name: 'bundle' },
  { key: 'image', name: "bundle with the image's flags" },
] as const;
export type Form = (typeof forms)[number];

/** One program, started once. */
export interface Start {
  readonly program: Benched;
  readonly form: Form['key'];
  readonly round: number;
  /** Milliseconds from the start of the container until it was ready. */
  readonly took: number;
  /** Milliseconds of CPU by then. */
  readonly cpu: number;
  /** MiB when it had nothing to do any more. */
  readonly rss: number;
  readonly pss: number;
  /** When it was told to end. */
  readonly exitCode: number | undefined;
}

export interface Sizes {
  /** Bytes by the name of what has them. */
  readonly [name: string]: number;
}

export function tablesOf(starts: readonly Start[], sizes: Sizes): readonly Table[] {
  const rows = benched.flatMap((program) => forms.map((form) => rowOf(starts, program, form)));
  return [
    {
      title:
        'From the start of the container until it is ready, and what it holds when it is idle (ratio: to the TypeScript in the same round)',
      columns: ['', 'rounds', 'ready ms', 'ratio', 'CPU ms', 'ratio', 'RSS MiB', 'ratio', 'PSS MiB', 'ratio'],
      rows,
    },
    {
      title: 'Size',
      columns: ['', 'MB'],
      rows: Object.entries(sizes).map(([name, bytes]) => [name, bytes / 1e6]),
    },
  ];
}

function rowOf(starts: readonly Start[], program: Benched, { key, name }: Form): Table['rows'][number] {
  const mine = starts.filter((start) => start.program === program && start.form === key);
  const figures = (['took', 'cpu', 'rss', 'pss'] as const).flatMap((figure) => [
    median(mine.map((start) => start[figure])),
    median(mine.map((start) => start[figure] / baseOf(starts, start)[figure])),
  ]);
  return [`${program}, ${name}`, mine.length, ...figures];
}

function baseOf(starts: readonly Start[], { program, round }: Start): Start {
  const base = starts.find((start) => start.program === program && start.round === round && start.form === 'sources');
  if (base === undefined) throw new Error(`${program} was not started from its sources in round ${round}`);
  return base;
}

/** A program that does not end in order when it is told to is broken, however fast it began. */
export function failuresOf(starts: readonly Start[]): readonly string[] {
  return starts.flatMap(({ program, form, round, exitCode }) =>
    exitCode === 0 ? [] : [`${program} (${form}, round ${round}) ended with ${exitCode ?? 'a signal'} after SIGTERM`],
  );
}
