import type { Span } from './audit.ts';
import type { Memory } from './proc.ts';
import type { Table } from './report.ts';
import { type InFlight, inFlights, type Series } from './series.ts';
import type { BareCount } from './stage.ts';
import { median, percentile, sum } from './stats.ts';

/** From what the admission benchmark measured to its tables, and to what must hold. Pure. */

/** One series in one round with so many in flight. */
export interface Cell {
  readonly series: Series;
  readonly inFlight: InFlight;
  readonly round: number;
  /** Milliseconds, of each request. */
  readonly took: readonly number[];
  readonly seconds: number;
  readonly span: Span;
  /** Statuses that should have been others. */
  readonly wrong: readonly number[];
  /** Milliseconds of the webhook's process and of the API server's. */
  readonly cpu: { readonly webhook: number; readonly apiServer: number };
  /** How often Clonegate was called where it should not be. */
  readonly calls: number;
}

export interface Measured {
  readonly cells: readonly Cell[];
  /** The webhook's requests to the API server while clones were allowed, and while they were refused. */
  readonly requests: Readonly<Record<'allowed' | 'denied', ReadonlyMap<string, number>>>;
  readonly memory: Readonly<Record<'bare' | 'clonegate', Memory>>;
  readonly bare: BareCount;
  readonly protocol: string;
}

const names: Readonly<Record<Series['key'], string>> = {
  none: 'no webhook',
  bare: 'bare node:https',
  clonegate: 'Clonegate',
  review: 'one SubjectAccessReview',
  denied: 'Clonegate, refused',
  'label-none': 'label edit, no webhook',
  'label-clonegate': 'label edit, Clonegate',
};

const columns = [
  'in flight',
  'requests',
  'p50 ms',
  'p90 ms',
  'p99 ms',
  'per second',
  'added p50 ms',
  'p50 ratio',
  'rate ratio',
  'webhook CPU ms',
  'API server CPU ms',
];

export function tablesOf(measured: Measured): readonly Table[] {
  const rows = (keys: readonly Series['key'][]): Table['rows'] =>
    inFlights.flatMap((inFlight) => keys.flatMap((key) => rowOf(measured.cells, key, inFlight)));
  return [
    { title: 'Creates', columns: ['', ...columns], rows: rows(['none', 'bare', 'clonegate']) },
    { title: 'Refusals (base: no webhook, create)', columns: ['', ...columns], rows: rows(['denied']) },
    {
      title: 'Edits of a label (Clonegate is not called)',
      columns: ['', ...columns],
      rows: rows(['label-none', 'label-clonegate']),
    },
    budgetTable(measured),
    requestsTable(measured),
    memoryTable(measured),
  ];
}

function rowOf(cells: readonly Cell[], key: Series['key'], inFlight: InFlight): Table['rows'] {
  const mine = cellsOf(cells, key, inFlight);
  const [first] = mine;
  if (first === undefined) return [];
  const took = mine.flatMap((cell) => cell.took);
  const per = (milliseconds: number): number => milliseconds / took.length;
  const base = cellsOf(cells, first.series.base, inFlight);
  const against = (figure: (cell: Cell, same: Cell) => number): number | undefined =>
    key === first.series.base ? undefined : median(pairs(mine, base).map(([cell, same]) => figure(cell, same)));
  return [
    [
      names[key],
      inFlight,
      took.length,
      ...[0.5, 0.9, 0.99].map((p) => percentile(took, p)),
      took.length / sum(mine.map(({ seconds }) => seconds)),
      against((cell, same) => p50(cell) - p50(same)),
      against((cell, same) => p50(cell) / p50(same)),
      against((cell, same) => rate(cell) / rate(same)),
      first.series.mode === 'none' ? undefined : per(sum(mine.map(({ cpu }) => cpu.webhook))),
      per(sum(mine.map(({ cpu }) => cpu.apiServer))),
    ],
  ];
}

function cellsOf(cells: readonly Cell[], key: Series['key'], inFlight: InFlight): readonly Cell[] {
  return cells.filter((cell) => cell.series.key === key && cell.inFlight === inFlight);
}

/** Each with its counterpart of the same round: what the machine did beside us then falls on both. */
function pairs(cells: readonly Cell[], base: readonly Cell[]): readonly (readonly [Cell, Cell])[] {
  return cells.flatMap((cell) => {
    const same = base.find(({ round }) => round === cell.round);
    return same === undefined ? [] : [[cell, same] as const];
  });
}

const p50 = ({ took }: Cell): number => percentile(took, 0.5);
const rate = ({ took, seconds }: Cell): number => took.length / seconds;

/** What Clonegate may take: what the bare webhook takes, and one review on top. */
function budgetTable({ cells }: Measured): Table {
  const rows = inFlights.flatMap((inFlight) => {
    const of = (key: Series['key']): readonly Cell[] => cellsOf(cells, key, inFlight);
    const shares = pairs(of('clonegate'), of('bare')).flatMap(([clonegate, bare]) =>
      pairs([clonegate], of('review')).map(([, review]) => {
        const budget = p50(bare) + p50(review);
        return { review: p50(review), budget, clonegate: p50(clonegate), share: p50(clonegate) / budget };
      }),
    );
    if (shares.length === 0) return [];
    const figures = (['review', 'budget', 'clonegate', 'share'] as const).map((key) =>
      median(shares.map((one) => one[key])),
    );
    return [[`${inFlight} in flight`, ...figures]];
  });
  return {
    title: 'Budget: the bare webhook and one SubjectAccessReview (p50 ms, medians over the rounds)',
    columns: ['', 'one review', 'budget', 'Clonegate', 'ratio to budget'],
    rows,
  };
}

function requestsTable({ cells, requests }: Measured): Table {
  const kinds = [...new Set([...requests.allowed.keys(), ...requests.denied.keys()])].toSorted();
  const share = (kind: string, of: 'allowed' | 'denied', key: Series['key']): number =>
    (requests[of].get(kind) ?? 0) / (countOf(cells, key) || 1);
  return {
    title: "Clonegate's requests to the API server, for each create (audit log; watches apart)",
    columns: ['', 'allowed', 'refused'],
    rows: kinds.map((kind) => [kind, share(kind, 'allowed', 'clonegate'), share(kind, 'denied', 'denied')]),
  };
}

function countOf(cells: readonly Cell[], key: Series['key']): number {
  return sum(cells.filter(({ series }) => series.key === key).map(({ took }) => took.length));
}

function memoryTable({ memory, bare }: Measured): Table {
  return {
    title: 'Memory of the webhook processes (resident, MiB)',
    columns: ['', 'at the end', 'peak', 'TLS handshakes'],
    rows: [
      [names.bare, memory.bare.now, memory.bare.peak, bare.handshakes],
      [names.clonegate, memory.clonegate.now, memory.clonegate.peak, undefined],
    ],
  };
}

/** Share of requests that are nobody's: watches that are begun again, and the last events of refusals. */
const background = 0.05;

/** The budget of an allowed create. */
export function failuresOf(measured: Measured): readonly string[] {
  const { cells, requests, bare, protocol } = measured;
  const creates = countOf(cells, 'clonegate');
  const reviews = requests.allowed.get('create subjectaccessreviews') ?? 0;
  const gets = sum(
    [...requests.allowed].filter(([kind]) => kind.startsWith('get ') && kind !== 'get events').map(([, n]) => n),
  );
  const others = [...requests.allowed].filter(
    ([kind]) => kind !== 'create subjectaccessreviews' && (!kind.startsWith('get ') || kind === 'get events'),
  );
  const calls = sum(cells.map((cell) => cell.calls));
  const wrong = cells.filter((cell) => cell.wrong.length > 0);
  const versions = Object.keys(bare.calls).filter((version) => version !== '1.1');
  return [
    ...wrong.map(
      ({ series, inFlight, took, wrong: codes }) =>
        `${names[series.key]}, ${inFlight} in flight: ${codes.length} of ${took.length} answers were not ${series.expects} but ${[...new Set(codes)].join(', ')}`,
    ),
    ...(reviews === creates
      ? []
      : [`${reviews} SubjectAccessReviews for ${creates} allowed creates; it must be one each`]),
    ...(gets <= creates ? [] : [`${gets} GETs for ${creates} allowed creates; it must be at most one each`]),
    ...(sum(others.map(([, count]) => count)) <= creates * background
      ? []
      : [
          `an allowed create must take nothing else, but there were ${others.map(([kind, n]) => `${n} ${kind}`).join(', ')}`,
        ]),
    ...(calls === 0 ? [] : [`Clonegate was called ${calls} times for edits of labels; it must not be`]),
    ...(protocol === 'http/1.1'
      ? []
      : [`Clonegate's server took ${protocol}, which the API server never speaks to a Service`]),
    ...(versions.length === 0 ? [] : [`the bare webhook was called by HTTP/${versions.join(', ')}`]),
  ];
}
