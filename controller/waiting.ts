import type { Clock } from '../shared/process/clock.ts';
import { blockerOf, nameOf } from './blocker.ts';
import { conditionOf, stallTold, tellsOf, waited } from './conditions.ts';
import type { Evidence } from './evidence.ts';
import { fallBack } from './fallback.ts';
import type { Observed } from './observed.ts';
import type { Plan } from './plan.ts';
import type { Wait } from './steps/step.ts';
import { failureAt, type Work, workOf } from './work.ts';

/** What becomes of a wait with time: the storage is asked how it goes, another strategy is taken, a stall is told. */

export interface Limits {
  /** Milliseconds each; 0: never. */
  readonly stallAfter: number;
  readonly stallAfterConsumer: number;
  readonly fallbackAfter: number;
}

export interface Considered {
  readonly plan: Plan;
  /** Milliseconds after which to look again even if nothing changes. */
  readonly within?: number;
  /** Not worth a word yet. */
  readonly untold?: true;
}

export interface Waiting {
  consider(key: string, o: Observed, plan: Waits, signal: AbortSignal): Promise<Considered>;
  forget(key: string): void;
}

export type Waits = Extract<Plan, { state: 'waiting' }>;

export interface WaitingOptions {
  readonly evidence: Evidence;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** Milliseconds. Most clones are done by the first look; later ones come ever more rarely, as the age of the wait doubles. */
const firstLook = 10_000;
const longestPause = 300_000;

/** Milliseconds that a wait which is brief as a rule may take before it is told. */
const moment = 5000;

interface Look {
  readonly uid: string;
  /** By the steady clock. */
  readonly at: number;
  /** How long the wait had lasted. */
  readonly age: number;
  readonly failure: string | undefined;
}

/** It remembers when it looked last, and for a restart looks once more than it had to; and since when it has kept silent. */
export function createWaiting(options: WaitingOptions): Waiting {
  const { evidence, clock, limits } = options;
  const looks = new Map<string, Look>();
  const silences = new Map<string, { readonly step: string; readonly since: number }>();

  /** Milliseconds for which nothing need be told of a wait. */
  const silenceFor = (key: string, { volume }: Observed, { step, wait }: Waits): number => {
    if (wait.brief !== true || tellsOf(volume.status, wait)) {
      silences.delete(key);
      return 0;
    }
    const known = silences.get(key);
    const silence = known?.step === step ? known : { step, since: clock.elapsed() };
    silences.set(key, silence);
    return Math.max(0, silence.since + moment - clock.elapsed());
  };

  const look = async (key: string, o: Observed, work: Work, age: number, signal: AbortSignal): Promise<Look> => {
    const { uid } = work;
    const last = looks.get(key);
    const known = last?.uid === uid ? last : undefined;
    if (known === undefined ? age < firstLook && !failedBefore(o) : clock.elapsed() - known.at < pauseAfter(known))
      return known ?? { uid, at: clock.elapsed() - age, age: 0, failure: undefined };
    const seen = { uid, at: clock.elapsed(), age, failure: await failureAt(o, work, evidence, signal) };
    looks.set(key, seen);
    return seen;
  };

  const stalled = async (o: Observed, plan: Waits, age: number, signal: AbortSignal): Promise<Considered> => {
    const patience = patienceFor(plan.wait, limits);
    if (patience === 0) return { plan };
    if (age < patience) return { plan, within: patience - age };
    const told = stallTold(o.volume.status, plan.wait) ?? (await tell(o, plan.wait, patience, evidence, signal));
    return { plan: { ...plan, stalled: told } };
  };

  return {
    consider: async (key, o, plan, signal) => {
      const silence = silenceFor(key, o, plan);
      if (silence > 0) return { plan, within: silence, untold: true };
      const age = waited(o.volume.status, plan.wait, clock.now());
      const work = workOf(plan.wait);
      if (work === undefined) {
        looks.delete(key);
        const instead = insteadOf(o, plan);
        return instead === undefined ? stalled(o, plan, age, signal) : { plan: instead };
      }
      const seen = await look(key, o, work, age, signal);
      const failure = seen.failure ?? overdue(age, limits);
      const instead = failure === undefined ? undefined : fallBack(o, plan, failure);
      // Nothing else to try: what only takes long is waited for, what has failed is said to have.
      if (instead !== undefined && (instead.state === 'acting' || seen.failure !== undefined))
        return { plan: instead, within: pauseAfter(seen) };
      const considered = await stalled(o, plan, age, signal);
      const next = Math.max(1, pauseAfter(seen) - (clock.elapsed() - seen.at));
      return { ...considered, within: Math.min(considered.within ?? next, next) };
    },
    forget: (key) => {
      looks.delete(key);
      silences.delete(key);
    },
  };
}

/** Another strategy, where this one has failed for good; where there is no other, the wait itself says best what has failed. */
function insteadOf(o: Observed, plan: Waits): Plan | undefined {
  const { failure } = plan.wait;
  const next = failure === undefined ? undefined : fallBack(o, plan, failure);
  return next?.state === 'acting' ? next : undefined;
}

/** Before a restart, the same was found to have failed; there is no reason to be shy of looking. */
function failedBefore({ volume }: Observed): boolean {
  return conditionOf(volume.status, 'Running')?.reason === 'CloneFailed';
}

function pauseAfter({ age }: Look): number {
  return Math.min(Math.max(age, firstLook), longestPause);
}

function overdue(age: number, { fallbackAfter }: Limits): string | undefined {
  return fallbackAfter > 0 && age >= fallbackAfter ? `it was not done after ${minutes(fallbackAfter)}` : undefined;
}

/** Waits that are no fault of anything: their end is for the user to bring about, or for the clones before this one. */
const endless: ReadonlySet<string> = new Set(['CloneQueued']);

/** Milliseconds; 0: any time. */
function patienceFor({ phase, reason }: Wait, { stallAfter, stallAfterConsumer }: Limits): number {
  if (phase === 'Failed' || endless.has(reason)) return 0;
  return phase === 'WaitForFirstConsumer' || phase === 'PendingPopulation' ? stallAfterConsumer : stallAfter;
}

async function tell(
  o: Observed,
  wait: Wait,
  patience: number,
  evidence: Evidence,
  signal: AbortSignal,
): Promise<string> {
  const blocker = blockerOf(o, wait);
  const said = blocker === undefined ? undefined : await evidence.lastEvent(blocker, signal);
  const event = blocker === undefined || said === undefined ? '' : `; the last event of ${nameOf(blocker)}: ${said}`;
  return `for more than ${minutes(patience)}, ${wait.message}${event}`;
}

function minutes(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} seconds`;
  const count = Math.round(ms / 60_000);
  return count === 1 ? 'a minute' : `${count} minutes`;
}
