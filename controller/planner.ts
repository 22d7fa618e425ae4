import { type DataVolume, isClone } from '../shared/api/datavolume.ts';
import type { Stored } from '../shared/api/objects.ts';
import { adoption } from './adopt.ts';
import type { Right } from './authorize.ts';
import type { Children } from './children.ts';
import { type Observed, ownClaim } from './observed.ts';
import type { Plan } from './plan.ts';
import { decided } from './steps/admission.ts';
import { cleanUp } from './steps/cleanup.ts';
import { stepsFor } from './steps/index.ts';
import { release } from './steps/parts.ts';
import { type Step, waitFor } from './steps/step.ts';

/** A right that was taken away may be given back, and no watch tells. */
const revokedAgain = 10 * 60_000;

/** Pure and total: the first step that is not done, with its wait or its effects. */
export function plan(o: Observed, right: Right): Plan {
  const { volume } = o;
  if (volume.metadata.deletionTimestamp !== undefined) return letGo(volume, o.children);
  if (!isClone(volume)) return { state: 'ignored' };
  const adopted = adoption(o);
  if (adopted !== undefined) return adopted;
  if (isFinished(o)) return o.stamp.valid ? finished(o) : { state: 'ignored' };
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
 * What CDI or anyone else completed is not touched. What we completed stays complete as long as its claim is bound; a claim that its
 * user deletes is cloned again, as CDI does it (cdi-behaviour 3.9): people reset volumes so, and a DataVolume stands for the claim of its
 * name. It is a new clone in every respect: the right is asked for again, and the source has to be the one that was authorized.
 */
function isFinished(o: Observed): boolean {
  if (o.volume.status?.phase !== 'Succeeded') return false;
  return ownClaim(o)?.status?.phase === 'Bound' || !o.stamp.valid;
}

/** Of an earlier leader that was cut off, a write may arrive when all is done; what it makes then is one too many. */
function finished({ volume, children }: Observed): Plan {
  return { state: 'done', effects: [...cleanUp(children), ...release(volume)] };
}

/** For CDI, which carries the clone out: nothing but the decision, where admission had to put it off. */
export function planDecision(o: Observed): Plan {
  const step = decided.done(o) || !o.stamp.valid || !isClone(o.volume) ? undefined : decided;
  return step === undefined || step.waits(o) !== undefined ? { state: 'ignored' } : act(step, o);
}

function guarded(step: Step, o: Observed, right: Right): Plan {
  switch (right.answer) {
    case 'unasked':
      return { state: 'asking', step: step.name };
    case 'allowed':
      return act(step, o);
    case 'denied': {
      const wait = waitFor('Pending', right.reason, right.message, { again: revokedAgain });
      return { state: 'waiting', step: step.name, wait };
    }
    case 'failed': {
      const wait = waitFor('CloneScheduled', 'CloneAuthorizationFailed', right.message, { retry: true });
      return { state: 'waiting', step: step.name, wait };
    }
  }
}

function act(step: Step, o: Observed): Plan {
  const happening = step.tells?.(o);
  return {
    state: 'acting',
    step: step.name,
    effects: step.effects(o),
    ...(happening === undefined ? {} : { happening }),
  };
}
