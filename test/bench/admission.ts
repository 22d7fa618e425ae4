import { request } from 'undici';
import { metricsTable } from '../../shared/process/metrics.ts';
import { requestsOf, type Span } from './audit.ts';
import { type Cell, failuresOf, type Measured, tablesOf } from './findings.ts';
import { type Caller, createCaller, drive } from './load.ts';
import { cpuOf, memoryOf } from './proc.ts';
import type { Bench, BenchOptions, Report } from './report.ts';
import { allSeries, type InFlight, inFlights, type Series } from './series.ts';
import { clone, type Mode, review, reviewsPath, type Stage, setStage, volumesOf } from './stage.ts';
import { rotated, sum } from './stats.ts';

/**
 * What admission costs: creates of clones by a regular user without any webhook, with a bare one in Node, and with Clonegate's, in turns
 * within one run. Refusals and edits of labels beside that.
 */

interface Plan {
  readonly rounds: number;
  /** Requests of a series in one round, by how many are in flight. */
  readonly counts: Readonly<Record<InFlight, number>>;
  /** Seconds after which no further round is begun. */
  readonly enough: number;
}

const full: Plan = { rounds: 8, counts: { 1: 100, 32: 384, 128: 512 }, enough: 150 };
const quick: Plan = { rounds: 2, counts: { 1: 30, 32: 64, 128: 128 }, enough: 14 };
/** Not counted: connections are made, code is compiled, caches are filled. */
const warmUp: Plan['counts'] = { 1: 20, 32: 64, 128: 256 };

export const admission: Bench = async ({ quick: short, log }: BenchOptions): Promise<Report> => {
  const plan = short ? quick : full;
  const stage = await setStage(log);
  const callers = new Callers(stage);
  try {
    const measured = await measure(stage, callers, plan, log);
    return {
      title:
        "Admission: creating DataVolumes that clone a claim of another namespace, without a webhook, with a bare one, with Clonegate's",
      notes: notesOf(stage, measured),
      tables: tablesOf(measured),
      failures: failuresOf(measured),
    };
  } finally {
    await callers.close();
    await stage.close();
  }
};

async function measure(stage: Stage, callers: Callers, plan: Plan, log: BenchOptions['log']): Promise<Measured> {
  await round(stage, callers, { counts: warmUp, number: 0 });
  log('warm');
  const cells: Cell[] = [];
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  let longest = 0;
  for (let number = 1; number <= plan.rounds && seconds() + longest < plan.enough; number += 1) {
    const from = seconds();
    cells.push(...(await round(stage, callers, { counts: plan.counts, number })));
    longest = Math.max(longest, seconds() - from);
    log(`round ${number} of at most ${plan.rounds} took ${(seconds() - from).toFixed(1)} s`);
  }
  const events = await stage.cluster.auditEvents();
  const username = 'system:serviceaccount:clonegate-system:clonegate-webhook';
  const spansOf = (key: Series['key']): Span[] =>
    cells.filter(({ series }) => series.key === key).map(({ span }) => span);
  return {
    cells,
    requests: {
      allowed: requestsOf(events, username, spansOf('clonegate')),
      denied: requestsOf(events, username, spansOf('denied')),
    },
    memory: { bare: memoryOf(pidOf(stage, 'bare')), clonegate: memoryOf(pidOf(stage, 'clonegate')) },
    bare: await stage.bare.count(),
    protocol: stage.protocol,
  };
}

interface RoundOptions {
  readonly counts: Plan['counts'];
  readonly number: number;
}

/** All series, those of the same number in flight next to each other, each round beginning with another. */
async function round(stage: Stage, callers: Callers, { counts, number }: RoundOptions): Promise<readonly Cell[]> {
  const cells: Cell[] = [];
  for (const inFlight of inFlights) {
    const names = `r${number}-c${inFlight}`;
    const here = allSeries.filter((series) => series.inFlight.includes(inFlight));
    // Labels are edited on what the creates have made.
    const edits = here.filter(({ does }) => does === 'label');
    const others = here.filter(({ does }) => does !== 'label');
    for (const series of [...rotated(others, number), ...rotated(edits, number)])
      cells.push(
        await cell(stage, callers.of(series, inFlight), { series, inFlight, count: counts[inFlight], names, number }),
      );
  }
  return cells;
}

interface CellOptions {
  readonly series: Series;
  readonly inFlight: InFlight;
  readonly count: number;
  /** What names of DataVolumes of this round begin with. */
  readonly names: string;
  readonly number: number;
}

async function cell(
  stage: Stage,
  caller: Caller,
  { series, inFlight, count, names, number }: CellOptions,
): Promise<Cell> {
  const path = volumesOf(series.mode);
  const send = {
    create: (name: string) => caller.send('POST', path, clone(name)),
    label: (name: string) =>
      caller.send('PATCH', `${path}/${name}`, { metadata: { labels: { round: String(number) } } }),
    review: () => caller.send('POST', reviewsPath, review),
  }[series.does];
  const watched = series.key === 'label-clonegate';
  const callsBefore = watched ? await callsOf(stage) : 0;
  const before = cpu(stage, series.mode);
  const from = Date.now();
  const { samples, seconds } = await drive(count, inFlight, (index) => send(`${names}-${index}`));
  const span = { from, to: Date.now() };
  const after = cpu(stage, series.mode);
  return {
    series,
    inFlight,
    round: number,
    took: samples.map(({ took }) => took),
    seconds,
    span,
    wrong: samples.filter(({ code }) => code !== series.expects).map(({ code }) => code),
    cpu: { webhook: after.webhook - before.webhook, apiServer: after.apiServer - before.apiServer },
    calls: watched ? (await callsOf(stage)) - callsBefore : 0,
  };
}

/** Milliseconds so far. */
function cpu(stage: Stage, mode: Mode): Cell['cpu'] {
  const apiServer = cpuOf(stage.cluster.apiServer.pid ?? 0);
  return { apiServer, webhook: mode === 'none' ? 0 : cpuOf(pidOf(stage, mode)) };
}

function pidOf({ webhook, bare }: Stage, mode: 'bare' | 'clonegate'): number {
  const { name, pid } = (mode === 'bare' ? bare : webhook).process;
  if (pid === undefined) throw new Error(`${name} has ended`);
  return pid;
}

/** How often Clonegate was called so far, by its own counter. */
async function callsOf({ webhook }: Stage): Promise<number> {
  const { body } = await request(`${webhook.opsUrl}/metrics`);
  const text = await body.text();
  const values = [...text.matchAll(new RegExp(`^${metricsTable.admissionRequests.name}\\{.*\\} (\\d+)`, 'gm'))];
  return sum(values.map(([, value]) => Number(value)));
}

/** Connections that stay open from round to round, as many as requests in flight, for each user. */
class Callers {
  readonly #stage: Stage;
  readonly #open = new Map<string, Caller>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  of({ user }: Series, inFlight: InFlight): Caller {
    const key = `${user} ${inFlight}`;
    const { cluster } = this.#stage;
    const caller = this.#open.get(key) ?? createCaller(cluster.server, cluster.ca, cluster.token(user), inFlight);
    this.#open.set(key, caller);
    return caller;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map(async (caller) => await caller.close()));
  }
}

function notesOf({ protocol }: Stage, { cells, bare }: Measured): readonly string[] {
  const rounds = new Set(cells.map(({ round }) => round)).size;
  const calls = sum(Object.values(bare.calls));
  return [
    `${rounds} round${rounds === 1 ? '' : 's'}, the series in turns within each. Times are of all rounds; a ratio is the median over the rounds of (this / its base in the same round).`,
    'Client, webhook, API server and etcd share this machine: read the ratios, not the milliseconds. Audit log on (Metadata), etcd in memory.',
    `Webhooks by URL on loopback, which speaks HTTP/1.1 as a Service does: Clonegate offers ${protocol}; ${bare.calls['1.1'] ?? 0} of ${calls} calls of the bare one came so.`,
  ];
}
