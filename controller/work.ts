import type { PersistentVolumeClaim, Stored } from '../shared/api/objects.ts';
import { type Evidence, finalFailure } from './evidence.ts';
import { type Observed, ownClaim } from './observe.ts';
import type { Wait } from './steps/step.ts';

/** What the storage is at work on for a clone, and whether it has given up. */
export interface Work {
  readonly object: Stored<PersistentVolumeClaim>;
}

export function workOf(o: Observed, wait: Wait): Work | undefined {
  if (wait.phase !== 'CSICloneInProgress') return undefined;
  const object = ownClaim(o);
  return object === undefined || object.status?.phase === 'Bound' ? undefined : { object };
}

/** What it said last, if that was its last word. */
export async function failureAt(
  { object }: Work,
  evidence: Evidence,
  signal: AbortSignal,
): Promise<string | undefined> {
  return finalFailure(await evidence.provisioning(object, signal));
}
