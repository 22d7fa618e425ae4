import { type DataVolume, isClone } from '../shared/api/datavolume.ts';
import type { Stored } from '../shared/api/objects.ts';
import type { Right } from './authorize.ts';
import type { Children } from './children.ts';
import type { Effect } from './effects.ts';
import { type Observed, ownClaim } from './observe.ts';
import { cleanUp } from './steps/cleanup.ts';
import { stepsFor } from './steps/index.ts';
import { release } from './steps/parts.ts';
import { type Step, type Wait, waitFor } from './steps/step.ts';

/** What is to be done about one DataVolume now. */
export type Plan =
  /** Not ours to look after. */
  | { readonly state: 'ignored' }
  | { readonly state: 'waiting'; readonly step: string; readonly wait: Wait }
  /** The step may begin when the user still has the right: ask, and plan again with the answer. */
  | { readonly state: 'asking'; readonly step: string }
  | { readonly state: 'acting'; readonly step: string; readonly effects: readonly Effect[] }
  /** The clone is complete; what is left to write once the status says so. */
  | { readonly state: 'done'; readonly effects: readonly Effect[] };

/** A right that was taken away may be given back, and no watch tells. */
const revokedAgain = 10 * 60_000;

/** Pure and total: the first step that is not done, with its wait or its effects. */
export function plan(o: Observed, right: Right): Plan {
  const { volume } = o;
  if (volume.metadata.deletionTimestamp !== undefined) return letGo(volume, o.children);
  if (!isClone(volume)) return { state: 'ignored' };
  if (isFinished(o)) return o.stamp.valid ? { state: 'done', effects: release(volume) } : { state: 'ignored' };
  const step = stepsFor(o).find((candidate) => !candidate.done(o));
  if (step === undefined) return { state: 'done', effects: [] };
  const wait = step.waits(o);
  if (wait !== undefined) return { state: 'waiting', step: step.name, wait };
  return step.guarded === true ? guarded(step, o, right) : act(step, o);
}

/**
 * What the owner reference takes along is left to it, the rest is cleaned up first; and none of it is waited for, so that a deletion never
 * gets stuck at somebody else's finalizer.
 */
export function letGo(volume: Stored<DataVolume>, children: Children): Extract<Plan, { state: 'acting' }> {
  return { state: 'acting', step: 'released', effects: [...cleanUp(children), ...release(volume)] };
}

/**
 * Success is final: a claim that its user deletes afterwards is not cloned again, and what CDI or anyone else completed is not touched.
 * Only a claim that is there can still take it back, by losing its volume.
 */
function isFinished(o: Observed): boolean {
  if (o.volume.status?.phase !== 'Succeeded') return false;
  const own = ownClaim(o);
  return own?.status?.phase !== 'Lost' || !o.stamp.valid;
}

function guarded(step: Step, o: Observed, right: Right): Plan {
  switch (right.answer) {
    case 'unasked':
      return { state: 'asking', step: step.name };
    case 'allowed':
      return act(step, o);
    case 'denied': {
      const wait = waitFor('Pending', 'CloneAuthorizationRevoked', right.message, { again: revokedAgain });
      return { state: 'waiting', step: step.name, wait };
    }
    case 'failed': {
      const wait = waitFor('CloneScheduled', 'CloneAuthorizationFailed', right.message, { retry: true });
      return { state: 'waiting', step: step.name, wait };
    }
  }
}

function act(step: Step, o: Observed): Plan {
  return { state: 'acting', step: step.name, effects: step.effects(o) };
}
