import { pods } from '../../../shared/kube/resource.ts';
import { type Parting, partingOf } from '../../copy/parting.ts';
import { failed } from '../../copy/record.ts';
import { type ExportVerdict, exportVerdictOn, type Failure, lostExport, verdictOn } from '../../copy/verdict.ts';
import type { Effect } from '../../effects.ts';
import type { Observed } from '../../observed.ts';
import { isGoing, naming, remove } from '../parts.ts';
import { type Step, waitFor } from '../step.ts';
import { meansOf } from './network.ts';
import { planOf } from './plan.ts';
import { exportPod, roleOf } from './pod.ts';
import { isApart, isWhole, noteFailure } from './tries.ts';
import { pendingAt, pendingOf } from './waits.ts';

/** From one pod that no node takes to two, of which each needs only one volume. */

/** When the scheduler will have it so; undefined where the copy pod has nothing to do with it. */
export function partingNow(o: Observed): Parting | undefined {
  const { copying, now } = o;
  const { copyPod } = o.children;
  if (copyPod === undefined || isApart(o) || isGoing(copyPod)) return undefined;
  const { history, policy } = copying;
  return partingOf(copyPod, policy, { now, before: failed(history) && history.network === true });
}

/** The other pod is there, and before it what both need. That it is there is what everything else follows from. */
export const parted: Step = {
  name: 'copy-parted',
  guarded: true,
  done: (o) => isWhole(o) || partingNow(o)?.state !== 'due',
  waits: () => undefined,
  effects: (o): readonly Effect[] => {
    const [plan, parting] = [planOf(o), partingNow(o)];
    if (plan === undefined || parting?.state !== 'due') return [];
    return [...meansOf(plan), exportPod(plan)].map((effect) => ({ ...effect, because: parting.why }));
  },
  tells: (o) => {
    const parting = partingNow(o);
    return parting?.state === 'due' ? { what: 'copy-parted', why: parting.why } : undefined;
  },
};

/** The pod that was to have both volumes gives up its name, and its volumes if it got them after all. */
export const replaced: Step = {
  name: 'copy-replaced',
  done: (o) => isWhole(o) || o.children.exportPod === undefined || single(o) === undefined,
  waits: (o) => {
    const pod = single(o);
    if (pod === undefined || !isGoing(pod)) return undefined;
    const message = `${naming(pods, pod)} is ending, which no node could run; two take its place`;
    return waitFor('CloneScheduled', 'CopyPodPending', message, pendingAt('Normal', pod));
  },
  effects: (o) => remove(pods, single(o)),
};

function single({ children: { copyPod } }: Observed) {
  return copyPod === undefined || roleOf(copyPod) === 'import' ? undefined : copyPod;
}

/** The export pod serves, for as long as the other one needs it. */
export const exporting: Step = {
  name: 'copy-exporting',
  done: (o) => isWhole(o) || !isApart(o) || isCopied(o) || exported(o).state === 'serving',
  waits: (o) => {
    const { exportPod: pod } = o.children;
    const verdict = exported(o);
    return pod === undefined || verdict.state !== 'pending' ? undefined : pendingOf(o, pod, verdict);
  },
  effects: (o): readonly Effect[] => {
    const failure = failureOf(o);
    return failure === undefined ? [] : [noteFailure(o, failure)];
  },
  tells: (o) => {
    const failure = failureOf(o);
    return failure === undefined
      ? undefined
      : { what: 'copy-failed', reason: failure.reason, message: failure.message };
  },
};

/** Of a copy that takes two pods. */
export function exported({ children }: Observed): ExportVerdict {
  return children.exportPod === undefined ? lostExport : exportVerdictOn(children.exportPod);
}

function failureOf(o: Observed): Failure | undefined {
  const verdict = exported(o);
  return verdict.state === 'failed' ? verdict : undefined;
}

/** What is whole needs nobody any more. */
function isCopied({ children: { copyPod } }: Observed): boolean {
  return copyPod !== undefined && verdictOn(copyPod).state === 'copied';
}
