import type { ObjectReference } from '../shared/api/objects.ts';
import { volumeSnapshots } from '../shared/kube/resource.ts';
import { type Evidence, finalFailure } from './evidence.ts';
import type { Observed } from './observed.ts';
import type { Wait } from './steps/step.ts';

/** What the storage is at work on for a clone, and whether it has given up. */
export type Work = ObjectReference & { readonly uid: string };

export function workOf({ on, atWork }: Wait): Work | undefined {
  return atWork === true && on?.uid !== undefined ? { ...on, uid: on.uid } : undefined;
}

/** What the storage said last, if that was its last word. A snapshot tells by itself; for a claim, events do. */
export async function failureAt(
  { children }: Observed,
  work: Work,
  evidence: Evidence,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (work.kind === volumeSnapshots.kind) return finalFailure(children.snapshot?.status?.error?.message);
  return finalFailure(await evidence.provisioning(work, signal));
}
