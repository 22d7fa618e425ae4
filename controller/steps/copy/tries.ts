import { contentTypeOf } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import type { KubeObject, Stored } from '../../../shared/api/objects.ts';
import type { ReasonCode } from '../../../shared/api/reasons.ts';
import { claims, pods, type Resource } from '../../../shared/kube/resource.ts';
import { copyPodsOf } from '../../children.ts';
import { backoffAfter, type CopyPolicy } from '../../copy/policy.ts';
import { attemptOf, type CopyHistory, type CopyRecord, failed, writeRecord } from '../../copy/record.ts';
import { type Failure, verdictOn } from '../../copy/verdict.ts';
import type { Effect } from '../../effects.ts';
import type { Observed } from '../../observed.ts';
import { holdsBytes } from '../../origin.ts';
import { about, isGoing, naming, patchVolume, remove } from '../parts.ts';
import { sourceWaits } from '../source.ts';
import { gate, type Step, type Wait, waitFor } from '../step.ts';
import { roleOf } from './pod.ts';

/** How a try of a copy ends that comes to nothing, and what is between two tries. */

export const isWhole = ({ children: { temporary } }: Observed): boolean =>
  temporary !== undefined && holdsBytes(temporary);

/** Two pods are at it, or are to be. */
export function isApart({ children: { copyPod, exportPod } }: Observed): boolean {
  return exportPod !== undefined || (copyPod !== undefined && roleOf(copyPod) === 'import');
}

/**
 * What is left of an earlier try goes before anything else: whatever is in that claim is not the whole of it. Only the claim stays where the
 * next try can go on with it.
 */
export const outdated: Step = {
  name: 'outdated',
  done: (o) => stale(o).length === 0,
  waits: (o) => ending(o, stale(o)),
  effects: (o) => removal(o, stale(o)),
};

type Child = Stored<KubeObject>;

function stale(o: Observed): readonly Child[] {
  const { attempts } = o.copying.history;
  const claim = unfinished(o);
  const made = claim === undefined ? undefined : (attemptOf(claim) ?? attempts);
  const isOld = claim !== undefined && made !== undefined && (made < goodFrom(o) || (made < attempts && isStuck(o)));
  const isLost = (pod: Child): boolean =>
    !isWhole(o) &&
    (claim === undefined ||
      isGoing(claim) ||
      intoOf(pod) !== claim.metadata.uid ||
      (attemptOf(pod) ?? made ?? attempts) < attempts);
  const lost = copyPodsOf(o.children).filter((pod) => isOld || isLost(pod));
  return isOld ? [...lost, claim] : lost;
}

/** The first try whose claim is still good for something. */
function goodFrom({ volume, copying: { history, policy } }: Observed): number {
  const isKept = failed(history) && isTree(volume) && !isOver(history, policy);
  return (isKept ? history.kept : undefined) ?? history.attempts;
}

/** What was begun lies where no node can go on with it, which says nothing of a new volume. */
function isStuck({ children: { copyPod } }: Observed): boolean {
  const verdict = copyPod === undefined ? undefined : verdictOn(copyPod);
  return verdict?.state === 'pending' && verdict.reason === 'CopyPodUnschedulable';
}

/** Of a tree, what is there already need not be copied again: the program looks at each file. An image is written from the beginning. */
function isTree(volume: Observed['volume']): boolean {
  return contentTypeOf(volume) === 'archive';
}

function isOver({ final, failures }: CopyRecord, { retries }: CopyPolicy): boolean {
  return final || failures > retries;
}

/** The temporary claim, as long as it does not hold the whole copy. */
function unfinished({ children: { temporary } }: Observed): Child | undefined {
  return temporary === undefined || holdsBytes(temporary) ? undefined : temporary;
}

/** Uid of the claim that a pod copies into. */
function intoOf({ metadata }: Child): string | undefined {
  return metadata.annotations?.[annotations.copiesInto];
}

function kindOf({ children: { temporary } }: Observed, child: Child): Resource<KubeObject> {
  return child === temporary ? claims : pods;
}

/** The pods first: a claim stays as long as a pod has it. */
function childrenOf(o: Observed): readonly Child[] {
  const claim = unfinished(o);
  return claim === undefined ? copyPodsOf(o.children) : [...copyPodsOf(o.children), claim];
}

function removal(o: Observed, some: readonly Child[]): readonly Effect[] {
  return some.flatMap((child) => remove(kindOf(o, child), child));
}

function ending(o: Observed, some: readonly Child[]): Wait | undefined {
  const [first] = some;
  if (first === undefined || !some.every(isGoing)) return undefined;
  const kind = kindOf(o, first);
  const message = `${naming(kind, first)} of a copy that did not come to its end is being deleted`;
  return waitFor('CloneScheduled', 'CopyPodPending', message, { type: 'Normal', on: about(kind, first), brief: true });
}

/**
 * A copy takes its time, and whoever writes to the source meanwhile makes it a copy of no moment at all. It is given up for the other one,
 * who was asked not to be there; it is begun anew when he has gone.
 */
export const undisturbed: Step = {
  name: 'undisturbed',
  done: (o) => disturbance(o) === undefined || childrenOf(o).length === 0,
  waits: (o) => (childrenOf(o).every(isGoing) ? disturbance(o) : undefined),
  effects: (o) => removal(o, childrenOf(o)),
};

function disturbance(o: Observed): Wait | undefined {
  const { source, children } = o;
  const isIdle = copyPodsOf(children).length === 0 || isWhole(o);
  const wait = source === undefined || isIdle ? undefined : sourceWaits(source);
  return wait?.reason === 'CloneSourceInUse' ? wait : undefined;
}

/** After a failure there is a pause, the longer the more there were; or the end. */
export const rested: Step = gate('rested', (o) => {
  const { copying, now } = o;
  const { history, policy } = copying;
  if (!failed(history)) return undefined;
  const { failures, reason, message, at } = history;
  if (isOver(history, policy)) {
    const often = history.attempts === 1 ? 'once' : `${history.attempts} times`;
    const said = `the copy failed ${often}; the last time: ${message}`;
    return waitFor('Failed', reason, said, { failure: said });
  }
  const again = at + backoffAfter(failures, policy);
  if (now >= again || isBegun(o, history)) return undefined;
  const how = o.children.temporary === undefined ? 'is begun anew' : 'goes on';
  const said = `${message}; the copy ${how} at ${new Date(again).toISOString()}`;
  return waitFor('CloneScheduled', reason, said, { again: again - now });
});

/** The try that is next, by its claim, or by its pods on a claim that was kept. */
function isBegun({ children }: Observed, { attempts }: CopyHistory): boolean {
  const { temporary } = children;
  if (temporary === undefined) return false;
  return (attemptOf(temporary) ?? attempts) >= attempts || copyPodsOf(children).length > 0;
}

/** The one write by which a try is over. */
export function noteFailure(o: Observed, { message, retry, ...failure }: Failure): Effect {
  const { history } = o.copying;
  const { reason, disrupted } = failure;
  const record: CopyRecord = {
    attempts: history.attempts + 1,
    failures: history.failures + (disrupted ? 0 : 1),
    reason,
    message,
    at: o.now,
    final: !retry,
    ...(isApart(o) ? { network: true } : {}),
    ...keeping(o, failure),
  };
  return patchVolume(o.volume, { metadata: { annotations: { [annotations.copy]: writeRecord(record) } } });
}

/**
 * Ends of a try that say nothing against what it has written, as an I/O error does not that is the source's. Not that of a lost node, on which
 * it may still be writing.
 */
const harmless: ReadonlySet<ReasonCode> = new Set([
  'CopyEvicted',
  'CopyPodDeleted',
  'CopyOutOfMemory',
  'CopyPeerUnreachable',
  'CopyToolFailed',
]);

/** What fails again on the claim of an earlier try may fail because of it, and begins with a blank one. */
function keeping(
  { volume, copying: { history }, children: { temporary } }: Observed,
  { reason, disrupted, ofSource }: Omit<Failure, 'message' | 'retry'>,
): Pick<CopyRecord, 'kept'> {
  const { attempts } = history;
  const isHarmless = harmless.has(reason) || (reason === 'CopyIOError' && ofSource === true);
  if (temporary === undefined || !isTree(volume) || !isHarmless) return {};
  const made = attemptOf(temporary) ?? attempts;
  return made === attempts || disrupted ? { kept: made } : {};
}
