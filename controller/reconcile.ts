import { type DataVolume, isClone } from '../shared/api/datavolume.ts';
import { keyOf, refOf, type Stored, type VolumeSnapshotContent } from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import type { Recorder } from '../shared/kube/events.ts';
import { getIfExists } from '../shared/kube/get.ts';
import { dataVolumes } from '../shared/kube/resource.ts';
import type { Outcome } from '../shared/kube/workers.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { AccessPolicy } from '../shared/trust/access.ts';
import type { StampReader } from '../shared/trust/stamp.ts';
import { announce, announceFallback, announceHappening, type Ears } from './announce.ts';
import { type Applied, type Applier, createApplier } from './apply.ts';
import { askRight, type Right, unasked, type Verification, verify } from './authorize.ts';
import { childrenOf, namespacesOf } from './belongings.ts';
import { hasFinalizer } from './children.ts';
import { snapshotContent } from './copy/content.ts';
import type { PlaceKeeper } from './copy/places.ts';
import { createProgressReader, type ProgressReader } from './copy/progress.ts';
import type { Effect } from './effects.ts';
import { createEvidence } from './evidence.ts';
import { type Expectations, patience } from './expectations.ts';
import { type ExecutionPolicy, observe } from './observe.ts';
import { type Observed, ownClaim } from './observed.ts';
import type { Plan } from './plan.ts';
import { letGo, plan, planDecision } from './planner.ts';
import { isResting, type RestingVolume } from './resting.ts';
import type { Sharing } from './sharing.ts';
import { sameStatus, statusOf, type Telling } from './status.ts';
import { cleanUp } from './steps/cleanup.ts';
import { patchVolume } from './steps/parts.ts';
import { taken } from './steps/snapshot.ts';
import type { Stores } from './stores.ts';
import type { Turns } from './turns.ts';
import { type Considered, createWaiting, type Limits, type Waiting, type Waits } from './waiting.ts';

/** One pass over one DataVolume: look, plan, write. What happened before is seen in the objects; nothing is remembered that a restart would miss. */

export interface Surroundings {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch' | 'remove' | 'review' | 'pages' | 'podLog'>;
  readonly stores: Stores;
  readonly readStamp: StampReader;
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly expectations: Expectations;
  readonly policy: ExecutionPolicy;
  /** By which a clone is authorized once more before it begins; the webhook's. */
  readonly access: AccessPolicy;
  /** Who carries clones out; for CDI only the decision is written down. */
  readonly executor: 'clonegate' | 'cdi';
  readonly limits: Limits;
  readonly turns: Turns;
  readonly sharing: Sharing;
  readonly places: PlaceKeeper;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Ears['metrics'];
  /** Makes the text of a key for the two pods of a copy. */
  readonly newKey: () => string;
  /** Milliseconds between two questions how far a copy is. */
  readonly copyProgressInterval: number;
}

export type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>;

const done: Outcome = { kind: 'done' };
const retry: Outcome = { kind: 'retry' };
/** Comes again with the watch event of what was written; by itself only when that does not come. */
const written: Outcome = { kind: 'after', ms: patience };

export function createReconcile(around: Surroundings): Reconcile {
  const { stores, expectations, turns, sharing } = around;
  const pass = new Pass(around);
  return async (key, signal) => {
    const known = stores.volumes.get(key);
    if (known === undefined) {
      expectations.forget(key);
      turns.seen(key);
      sharing.forget(key);
      pass.forget(key);
      return done;
    }
    // Seen in part only, and nothing could be written there. It comes again when the namespace opens.
    if (stores.closed(known.metadata.namespace ?? '') !== undefined) return done;
    const behind = expectations.pending(key);
    if (behind !== undefined) return { kind: 'after', ms: behind };
    turns.seen(key);
    sharing.seen(key);
    const volume = isResting(known) ? await pass.wake(key, known, signal) : known;
    return volume === undefined ? done : pass.over(key, volume, signal);
  };
}

class Pass {
  readonly #around: Surroundings;
  readonly #applier: Applier;
  readonly #waiting: Waiting;
  readonly #progress: ProgressReader;

  constructor(around: Surroundings) {
    const { client, expectations, clock, log, limits, newKey, copyProgressInterval: interval } = around;
    this.#around = around;
    this.#applier = createApplier(client, expectations, newKey);
    this.#waiting = createWaiting({ evidence: createEvidence(client, clock, log), clock, limits });
    this.#progress = createProgressReader({ client, clock, log, interval });
  }

  forget(key: string): void {
    this.#waiting.forget(key);
    this.#progress.forget(key);
  }

  /** Reads what rests, where it has to be looked at after all. @throws ApiError when that was not possible. */
  async wake(key: string, volume: Stored<RestingVolume>, signal: AbortSignal): Promise<Stored<DataVolume> | undefined> {
    const { client, stores } = this.#around;
    if (volume.resting === 'no clone' || isSettled(stores, volume)) return undefined;
    const found = await getIfExists(client, dataVolumes, refOf(key), { signal });
    return found?.metadata.uid === volume.metadata.uid ? found : undefined;
  }

  async over(key: string, volume: Stored<DataVolume>, signal: AbortSignal): Promise<Outcome> {
    const { stores, readStamp, executor } = this.#around;
    // Before the stamp is looked at: nothing that is wrong with it may keep anyone from deleting.
    if (volume.metadata.deletionTimestamp !== undefined) {
      const { effects } = letGo(volume, childrenOf(stores, volume.metadata.uid, namespacesOf(volume)));
      return this.#write(key, effects, signal);
    }
    if (!isClone(volume)) return done;
    const stamp = await verify(readStamp, volume);
    const content = await snapshotContent(this.#around, volume, stamp, signal);
    const o = this.#look(volume, stamp, content);
    if (executor === 'cdi') return this.#carryOut(key, o, planDecision(o), signal);
    const first = plan(o, unasked);
    if (first.state !== 'asking') return this.#carryOut(key, o, first, signal);
    const answer = await this.#ask(key, o, first, signal);
    if ('state' in answer) return this.#carryOut(key, o, answer, signal);
    // Looked at again: while the question was on its way, others may have done what they would do together.
    const latest = stores.volumes.get(key);
    const now = this.#look(latest === undefined || isResting(latest) ? volume : latest, stamp, content);
    return this.#carryOut(key, now, plan(now, answer), signal);
  }

  #look(volume: Stored<DataVolume>, stamp: Verification, content: VolumeSnapshotContent | undefined): Observed {
    const { stores, policy, sharing, places, clock } = this.#around;
    const present = { now: clock.now(), content, places: places.of(volume.metadata.uid) };
    return observe(stores, volume, stamp, policy, present, sharing);
  }

  /** First whether it is its turn, then whether its user still has the right: who has to wait is asked about when the wait is over. */
  async #ask(
    key: string,
    o: Observed,
    { step }: Extract<Plan, { state: 'asking' }>,
    signal: AbortSignal,
  ): Promise<Plan | Right> {
    const { client, access, turns } = this.#around;
    if (!o.stamp.valid) return { state: 'ignored' };
    const wait = isBegun(o) ? undefined : turns.wait(key, o);
    if (wait !== undefined) return { state: 'waiting', step, wait };
    const { user, source } = o.stamp;
    const question = { user, source, into: o.volume.metadata.namespace ?? '' };
    return askRight(client, question, access, { signal });
  }

  async #carryOut(key: string, o: Observed, next: Plan, signal: AbortSignal): Promise<Outcome> {
    const effects = next.state === 'acting' ? next.effects : [];
    const { uid } = o.volume.metadata;
    // Before anything is awaited: the next to look must know.
    this.#around.places.begins(uid, effects);
    this.#around.sharing.ends(key, o.company, 'step' in next && next.step === taken.name, effects);
    switch (next.state) {
      case 'ignored':
      case 'asking':
        return done;
      case 'waiting':
        return this.#wait(key, o, next, signal);
      case 'done': {
        this.#waiting.forget(key);
        const reported = await this.#report(key, o, next, signal);
        if (reported === 'same') return this.#write(key, next.effects, signal);
        return reported === 'stale' ? retry : written;
      }
      case 'acting': {
        const applied = await this.#applier.apply(key, next.effects, { signal });
        this.#around.log.debug({ dataVolume: o.volume, step: next.step, result: applied.kind }, 'Step taken');
        if (applied.kind !== 'written') this.#around.places.fails(uid);
        if (applied.kind === 'refused')
          return this.#wait(key, o, { state: 'waiting', step: next.step, wait: applied.wait }, signal);
        if (applied.kind === 'stale') return retry;
        if (next.fallback !== undefined) announceFallback(this.#around, o, next.fallback);
        if (next.happening !== undefined) announceHappening(this.#around, o, next.happening);
        return written;
      }
    }
  }

  async #wait(key: string, o: Observed, next: Waits, signal: AbortSignal): Promise<Outcome> {
    // What does not begin does not take up a place.
    if (!hasFinalizer(o.volume)) this.#around.turns.seen(key);
    const considered = await this.#waiting.consider(key, o, next, signal);
    const now = considered.plan;
    if (now.state !== 'waiting') return this.#carryOut(key, o, now, signal);
    if (considered.untold === true) return outcomeOf(now, considered);
    const { told, within } = this.#withProgress(key, now, considered, signal);
    return (await this.#report(key, o, told, signal)) === 'stale' ? retry : outcomeOf(now, { plan: now, ...within });
  }

  #withProgress(key: string, now: Waits, { within }: Considered, signal: AbortSignal) {
    const { wait } = now;
    const limit = within === undefined ? {} : { within };
    if (wait.copying === undefined || wait.on === undefined) {
      this.#progress.forget(key);
      return { told: now, within: limit };
    }
    const { interval } = this.#progress;
    const known = this.#progress.of(key, wait.on, wait.copying, signal);
    const told: Waits =
      known === undefined
        ? now
        : { ...now, progress: known.progress, wait: { ...wait, message: `${wait.message}: ${known.words}` } };
    return { told, within: { within: Math.min(within ?? interval, interval) } };
  }

  async #write(key: string, effects: readonly Effect[], signal: AbortSignal): Promise<Outcome> {
    if (effects.length === 0) return done;
    return (await this.#applier.apply(key, effects, { signal })).kind === 'written' ? written : retry;
  }

  /** The status, when it says something new; what is new is then announced. */
  async #report(key: string, o: Observed, next: Telling, signal: AbortSignal): Promise<'same' | Applied['kind']> {
    const now = this.#around.clock.now();
    const status = statusOf(o, next, new Date(now));
    if (sameStatus(o.volume.status, status)) return 'same';
    const { kind } = await this.#applier.apply(key, [patchVolume(o.volume, { status }, 'status')], { signal });
    if (kind === 'written') announce(this.#around, o, next, now);
    return kind;
  }
}

/** Whether what has come to its end is as it was then; at the start of the program that makes thousands of them quick. */
function isSettled(stores: Stores, volume: Stored<RestingVolume>): boolean {
  const isBound = stores.claims.get(keyOf(volume.metadata))?.status?.phase === 'Bound';
  return isBound && cleanUp(childrenOf(stores, volume.metadata.uid, namespacesOf(volume))).length === 0;
}

/** By what was made for it: the finalizer can be its user's. */
function isBegun(o: Observed): boolean {
  const { temporary, restored, snapshot, copyPod, moving } = o.children;
  const made = [ownClaim(o), temporary, restored, snapshot, copyPod, moving];
  return hasFinalizer(o.volume) && made.some((object) => object !== undefined);
}

function outcomeOf({ wait }: Waits, { within }: Considered): Outcome {
  if (wait.retry === true) return { kind: 'retry', ...(within === undefined ? {} : { within }) };
  const ms = Math.min(wait.again ?? Number.POSITIVE_INFINITY, within ?? Number.POSITIVE_INFINITY);
  return Number.isFinite(ms) ? { kind: 'after', ms } : done;
}
