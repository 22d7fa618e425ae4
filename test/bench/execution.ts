import { controllerUser } from '../e2e/controller/tenant.ts';
import { type AuditEvent, isWrite, wordsOf } from '../support/cluster/index.ts';
import { failuresOf, tablesOf } from './execution-findings.ts';
import {
  clear,
  type ExecutionStage,
  type Made,
  makeByHand,
  makeClones,
  type Place,
  setExecutionStage,
  setPlace,
  wrongIn,
} from './execution-stage.ts';
import { cpuOf, memoryOf } from './proc.ts';
import type { Bench, BenchOptions, Report } from './report.ts';
import { rotated } from './stats.ts';
import { type Cell, type Way, ways } from './ways.ts';

/**
 * What the execution costs: clones by each strategy, one and many at once, in turns with the same made by hand on the same storage within
 * one run.
 */

interface Plan {
  /** How many are made at once, and in how many rounds. */
  readonly rounds: readonly { readonly count: number; readonly rounds: number }[];
  /** Seconds after which no further round is begun. */
  readonly enough: number;
}

const full: Plan = {
  rounds: [
    { count: 1, rounds: 10 },
    { count: 200, rounds: 2 },
  ],
  enough: 1200,
};
const quick: Plan = {
  rounds: [
    { count: 1, rounds: 2 },
    { count: 6, rounds: 1 },
  ],
  enough: 240,
};

export const execution: Bench = async ({ quick: short, log }: BenchOptions): Promise<Report> => {
  const plan = short ? quick : full;
  const stage = await setExecutionStage(log);
  try {
    const cells = await measure(stage, plan, log);
    const executed = { cells, memory: memoryOf(pidOf(stage)) };
    return {
      title: 'Execution: from the create of a DataVolume to its success, and the same made by hand',
      notes,
      tables: tablesOf(executed),
      failures: failuresOf(executed),
    };
  } finally {
    await stage.close();
  }
};

const notes = [
  'All ways in turns within each round; a ratio is the median over the rounds of (this / by hand in the same round). By hand there is no way into another namespace; the ratio is then to the same namespace.',
  'Snapshots by hand: one for each claim, restored as soon as it is ready, and left there. The controller runs without limits per source and class.',
  'DataVolumes are stamped as admission does it, which is measured by itself (ONLY=admission). Everything shares this machine: read the ratios.',
];

async function measure(stage: ExecutionStage, plan: Plan, log: BenchOptions['log']): Promise<readonly Cell[]> {
  await round(stage, { count: 1, number: 0 });
  log('warm');
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  const cells: Cell[] = [];
  for (const { count, rounds } of plan.rounds) {
    for (let number = 1; number <= rounds && seconds() < plan.enough; number += 1) {
      const from = seconds();
      cells.push(...(await round(stage, { count, number })));
      log(`${count} at once, round ${number} of ${rounds} took ${(seconds() - from).toFixed(1)} s`);
    }
  }
  return cells;
}

interface RoundOptions {
  readonly count: number;
  readonly number: number;
}

/** Clones at once that would be in the way of the next, would they stay. Emptying the storage takes longer than a few clones do. */
const many = 20;

/** All ways, each round beginning with another. */
async function round(stage: ExecutionStage, { count, number }: RoundOptions): Promise<readonly Cell[]> {
  const taken: (Uncounted & { readonly place: Place })[] = [];
  const left: Place[] = [];
  for (const way of rotated(ways, number)) {
    const place = await setPlace(stage, way);
    taken.push({ ...(await cell(stage, place, { way, count, round: number })), place });
    left.push(place);
    if (count >= many) await clear(stage, left.splice(0));
  }
  await clear(stage, left);
  // By now the last events are written, too.
  const all = await stage.cluster.auditEvents();
  return taken.map(({ place, span, ...rest }) => ({ ...rest, ...counted(all, span, place) }));
}

type Uncounted = Omit<Cell, 'requests' | 'snapshots'> & Pick<Made, 'span'>;

async function cell(
  stage: ExecutionStage,
  place: Place,
  { way, count, round: number }: Pick<Cell, 'way' | 'count' | 'round'>,
): Promise<Uncounted> {
  const before = cpu(stage, way);
  const make = way.byHand ? makeByHand : makeClones;
  const made = await make(stage, place, way, count);
  const after = cpu(stage, way);
  const wrong = await wrongIn(place, count);
  return {
    way,
    count,
    round: number,
    ...made,
    cpu: { controller: after.controller - before.controller, apiServer: after.apiServer - before.apiServer },
    wrong,
  };
}

/** Milliseconds so far. */
function cpu(stage: ExecutionStage, { byHand }: Way): Cell['cpu'] {
  const apiServer = cpuOf(stage.cluster.apiServer.pid ?? 0);
  return { apiServer, controller: byHand ? 0 : cpuOf(pidOf(stage)) };
}

function pidOf({ controller: { process } }: ExecutionStage): number {
  if (process.pid === undefined) throw new Error(`${process.name} has ended`);
  return process.pid;
}

/** Events by their namespace, for others are written late; everything else by its time, for volumes are in no namespace. */
function counted(
  all: readonly AuditEvent[],
  span: Made['span'],
  { golden, tenant }: Place,
): Pick<Cell, 'requests' | 'snapshots'> {
  const done = all.filter(({ stage }) => stage === 'ResponseComplete');
  const inSpan = done.filter(({ requestReceivedTimestamp }) => {
    const at = Date.parse(requestReceivedTimestamp);
    return at >= span.from && at <= span.to;
  });
  const isOurs = ({ user }: AuditEvent): boolean => user.username === controllerUser;
  const isEvent = ({ objectRef }: AuditEvent): boolean => objectRef?.resource === 'events';
  const isHere = ({ objectRef }: AuditEvent): boolean =>
    [golden.namespace, tenant.namespace].includes(objectRef?.namespace ?? '');
  const isRead = (event: AuditEvent): boolean =>
    ['get', 'list'].includes(event.verb) || wordsOf(event) === 'create subjectaccessreviews';
  const ours = inSpan.filter(isOurs).filter((event) => !isEvent(event) && event.objectRef?.resource !== 'leases');
  return {
    requests: {
      writes: ours.filter(isWrite).length,
      events: done.filter((event) => isOurs(event) && isEvent(event) && isHere(event)).length,
      reads: ours.filter(isRead).length,
    },
    snapshots: inSpan.filter((event) => wordsOf(event) === 'create volumesnapshots').length,
  };
}
