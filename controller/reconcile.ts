import { type DataVolume, isClone } from '../shared/api/datavolume.ts';
import { keyOf, type Stored } from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import type { Recorder } from '../shared/kube/events.ts';
import type { Outcome } from '../shared/kube/workers.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Verifier } from '../shared/trust/keys.ts';
import { announce } from './announce.ts';
import { type Applied, type Applier, createApplier } from './apply.ts';
import { askRight, unasked, verify } from './authorize.ts';
import type { Effect } from './effects.ts';
import { type Expectations, patience } from './expectations.ts';
import { type ExecutionPolicy, type Observed, observe } from './observe.ts';
import { letGo, type Plan, plan } from './plan.ts';
import { sameStatus, statusOf, type Telling } from './status.ts';
import { hasFinalizer, patchVolume } from './steps/parts.ts';
import type { Wait } from './steps/step.ts';
import { childrenOf, type Stores } from './stores.ts';

/** One pass over one DataVolume: look, plan, write. What happened before is seen in the objects; nothing is remembered between passes. */

export interface Surroundings {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch' | 'remove' | 'review'>;
  readonly stores: Stores;
  readonly verifier: Verifier;
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly expectations: Expectations;
  readonly policy: ExecutionPolicy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'clones' | 'cloneDuration' | 'unauthorizedRefused' | 'reconciles'>;
}

export type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>;

const done: Outcome = { kind: 'done' };
const retry: Outcome = { kind: 'retry' };
/** Comes again with the watch event of what was written; by itself only when that does not come. */
const written: Outcome = { kind: 'after', ms: patience };

export function createReconcile(around: Surroundings): Reconcile {
  const { stores, expectations } = around;
  const pass = new Pass(around);
  return async (key, signal) => {
    const volume = stores.volumes.get(key);
    if (volume === undefined) {
      expectations.forget(key);
      return done;
    }
    const behind = expectations.pending(key);
    if (behind !== undefined) return { kind: 'after', ms: behind };
    return pass.over(key, volume, signal);
  };
}

class Pass {
  readonly #around: Surroundings;
  readonly #applier: Applier;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#applier = createApplier(around.client, around.expectations);
  }

  async over(key: string, volume: Stored<DataVolume>, signal: AbortSignal): Promise<Outcome> {
    const { stores, verifier, policy, client } = this.#around;
    // Before the stamp is looked at: nothing that is wrong with it may keep anyone from deleting.
    if (volume.metadata.deletionTimestamp !== undefined) {
      const { effects } = letGo(volume, childrenOf(stores, volume.metadata.uid));
      return this.#write(key, effects, signal);
    }
    if (!isClone(volume) || isSettled(stores, volume)) return done;
    const o = observe(stores, volume, await verify(verifier, volume), policy);
    const first = plan(o, unasked);
    if (first.state !== 'asking' || !o.stamp.valid) return this.#carryOut(key, o, first, signal);
    return this.#carryOut(key, o, plan(o, await askRight(client, o.stamp, { signal })), signal);
  }

  async #carryOut(key: string, o: Observed, next: Plan, signal: AbortSignal): Promise<Outcome> {
    switch (next.state) {
      case 'ignored':
      case 'asking':
        return done;
      case 'waiting':
        return (await this.#report(key, o, next, signal)) === 'stale' ? retry : outcomeOf(next.wait);
      case 'done': {
        const reported = await this.#report(key, o, next, signal);
        if (reported === 'same') return this.#write(key, next.effects, signal);
        return reported === 'stale' ? retry : written;
      }
      case 'acting': {
        const applied = await this.#applier.apply(key, next.effects, { signal });
        this.#around.log.debug({ dataVolume: o.volume, step: next.step, result: applied.kind }, 'Step taken');
        if (applied.kind !== 'refused') return applied.kind === 'stale' ? retry : written;
        return this.#carryOut(key, o, { state: 'waiting', step: next.step, wait: applied.wait }, signal);
      }
    }
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

/** What has come to its end needs no look at its stamp, which at the start of the program makes thousands of them quick. */
function isSettled({ claims }: Stores, volume: Stored<DataVolume>): boolean {
  const { phase, conditions = [] } = volume.status ?? {};
  if (phase !== 'Succeeded' || hasFinalizer(volume)) return false;
  const ready = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  return ready && claims.get(keyOf(volume.metadata))?.status?.phase === 'Bound';
}

function outcomeOf(wait: Wait): Outcome {
  if (wait.retry === true) return retry;
  return wait.again === undefined ? done : { kind: 'after', ms: wait.again };
}
