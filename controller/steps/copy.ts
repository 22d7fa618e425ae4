import { annotations } from '../../shared/api/names.ts';
import {
  type KubeObject,
  keyOf,
  type PersistentVolumeClaim,
  type Stored,
  type VolumeMode,
} from '../../shared/api/objects.ts';
import { imageSize, targetSize } from '../../shared/decision/sizes.ts';
import { claims, pods, type Resource } from '../../shared/kube/resource.ts';
import { backoffAfter } from '../copy/policy.ts';
import { attemptOf, type Copied, type CopyRecord, failed, writeCopied, writeRecord } from '../copy/record.ts';
import { type Failure, verdictOn } from '../copy/verdict.ts';
import type { Effect } from '../effects.ts';
import { capacityOf, type Observed, requestOf, restoreSizeOf, wantedOf } from '../observe.ts';
import { holdsBytes } from '../origin.ts';
import { copyPod, verifies } from './copy-pod.ts';
import { about, isGoing, naming, patchClaim, patchVolume, remove } from './parts.ts';
import { restoring } from './restore.ts';
import { sourceWaits } from './source.ts';
import { gate, type Step, type Wait, waitFor } from './step.ts';
import { isImmediate, type Making, nodeOf, type Progress } from './target.ts';
import { isBound } from './temporary.ts';
import { transfer } from './transfer.ts';

/**
 * copy: a pod beside the source reads it and fills a blank temporary claim, whose volume is then handed over to the target claim, within one
 * namespace as well: so what has the target's name is either without a volume, or whole.
 *
 * | state | T (temporary claim) | pod | DataVolume | next write |
 * |---|---|---|---|---|
 * | 0 | - | - | | T, blank, of this try |
 * | 1 | Bound | - | | the pod |
 * | 2 | Bound | running | | - |
 * | 3 | Bound | Succeeded | | T: it holds the whole copy (and the digest, on the DataVolume before) |
 * | 4 | copied | Succeeded | | the pod's deletion |
 * | 5 | copied | - | | as in `transfer`, from state 3 there |
 * | F | Bound | failed, or going | | the DataVolume: one try more is over, and why |
 * | G | Bound | failed | one try more | deletion of pod and T, both of an earlier try now; then 0, after a pause, or the end |
 *
 * A try is counted by the one write in F, from which everything else follows, so nothing is counted twice: T tells by its mark that it is of
 * an earlier one, and the pod by the uid of T. A pod that vanishes unseen is made again on the same T: the program in it takes nothing in the
 * destination for granted.
 */

const isWhole = ({ children: { temporary } }: Observed): boolean => temporary !== undefined && holdsBytes(temporary);

/** What is left of an earlier try goes before anything else: whatever is in that claim is not the whole of it. */
const outdated: Step = {
  name: 'outdated',
  done: (o) => stale(o).length === 0,
  waits: (o) => ending(o, stale(o)),
  effects: (o) => removal(o, stale(o)),
};

type Child = Stored<KubeObject>;

function stale(o: Observed): readonly Child[] {
  const { attempts } = o.copying.history;
  const [pod, claim] = [o.children.copyPod, unfinished(o)];
  const isOld = claim !== undefined && (attemptOf(claim) ?? attempts) < attempts;
  const isLost =
    pod !== undefined && !isWhole(o) && (claim === undefined || isGoing(claim) || intoOf(pod) !== claim.metadata.uid);
  return [isOld || isLost ? pod : undefined, isOld ? claim : undefined].filter((child) => child !== undefined);
}

/** The temporary claim, as long as it does not hold the whole copy. */
function unfinished({ children: { temporary } }: Observed): Child | undefined {
  return temporary === undefined || holdsBytes(temporary) ? undefined : temporary;
}

/** Uid of the claim that a pod copies into. */
function intoOf({ metadata }: Child): string | undefined {
  return metadata.annotations?.[annotations.copiesInto];
}

function kindOf({ children: { copyPod: pod } }: Observed, child: Child): Resource<KubeObject> {
  return child === pod ? pods : claims;
}

/** The pod first: a claim stays as long as a pod has it. */
function childrenOf(o: Observed): readonly Child[] {
  return [o.children.copyPod, unfinished(o)].filter((child) => child !== undefined);
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
const undisturbed: Step = {
  name: 'undisturbed',
  done: (o) => disturbance(o) === undefined || childrenOf(o).length === 0,
  waits: (o) => (childrenOf(o).every(isGoing) ? disturbance(o) : undefined),
  effects: (o) => removal(o, childrenOf(o)),
};

function disturbance(o: Observed): Wait | undefined {
  const { source, children } = o;
  const wait = source === undefined || children.copyPod === undefined || isWhole(o) ? undefined : sourceWaits(source);
  return wait?.reason === 'CloneSourceInUse' ? wait : undefined;
}

/** After a failure there is a pause, the longer the more there were; or the end. */
const rested: Step = gate('rested', ({ copying: { history, policy }, children: { temporary }, now }) => {
  if (!failed(history)) return undefined;
  const { failures, reason, message, at, final } = history;
  if (final || failures > policy.retries) {
    const often = history.attempts === 1 ? 'once' : `${history.attempts} times`;
    const said = `the copy failed ${often}; the last time: ${message}`;
    return waitFor('Failed', reason, said, { failure: said });
  }
  const again = at + backoffAfter(failures, policy);
  if (now >= again || temporary !== undefined) return undefined;
  const said = `${message}; the copy is begun anew at ${new Date(again).toISOString()}`;
  return waitFor('CloneScheduled', reason, said, { again: again - now });
});

/** The pod is there. */
const started: Step = {
  name: 'copy-started',
  guarded: true,
  done: (o) => isWhole(o) || o.children.copyPod !== undefined,
  waits: () => undefined,
  effects: (o): readonly Effect[] => {
    const { volume, copying, choice, children } = o;
    const [from, to] = [readFrom(o), children.temporary];
    if (from === undefined || to === undefined || choice.by !== 'record') return [];
    const size = imageSize({ source: sizesOf(o), target: choice.target });
    return [copyPod({ volume, policy: copying.policy, from, to, imageSize: size })];
  },
};

/** The claim whose bytes are copied. */
function readFrom({ source, children }: Observed): Stored<PersistentVolumeClaim> | undefined {
  return source?.ref.kind === 'VolumeSnapshot' ? children.restored : source?.claim;
}

const copied: Step = {
  name: 'copied',
  done: isWhole,
  waits: (o) => {
    const pod = o.children.copyPod;
    const verdict = pod === undefined ? undefined : verdictOn(pod);
    if (pod === undefined || verdict === undefined) return undefined;
    const on = about(pods, pod);
    if (verdict.state === 'pending')
      return provisioned(o) ?? waitFor('CloneScheduled', verdict.reason, verdict.message, pendingAt(verdict.type, on));
    if (verdict.state !== 'running') return undefined;
    return waitFor('CloneInProgress', 'CloneInProgress', copies(o), {
      type: 'Normal',
      on,
      copying: verifies(o.volume, o.copying.policy) ? 'verified' : 'plain',
    });
  },
  effects: (o): readonly Effect[] => {
    const { copyPod: pod, temporary } = o.children;
    const verdict = pod === undefined ? undefined : verdictOn(pod);
    if (verdict?.state === 'failed') return [noteFailure(o, verdict)];
    return verdict?.state === 'copied' && temporary !== undefined ? noteCopy(o, temporary, verdict.copied) : [];
  },
  tells: ({ children: { copyPod: pod } }) => {
    const verdict = pod === undefined ? undefined : verdictOn(pod);
    if (verdict?.state === 'copied') return { what: 'copied', copied: verdict.copied };
    return verdict?.state === 'failed'
      ? { what: 'copy-failed', reason: verdict.reason, message: verdict.message }
      : undefined;
  },
};

function pendingAt(type: Wait['type'], on: ReturnType<typeof about>): Partial<Wait> {
  return { type, on, ...(type === 'Normal' ? { brief: true } : {}) };
}

/** A pod that is the first consumer of a claim waits for the storage, which may fail at it. */
function provisioned({ children: { temporary, restored: restoring } }: Observed): Wait | undefined {
  const claim = [restoring, temporary].find((one) => one !== undefined && !isBound(one));
  if (claim === undefined || nodeOf(claim) === undefined) return undefined;
  const message = `${naming(claims, claim)} is made where the copy pod is to run`;
  return waitFor('CloneScheduled', 'CopyPodPending', message, {
    type: 'Normal',
    on: about(claims, claim),
    atWork: true,
  });
}

function copies({ source, volume }: Observed): string {
  const { kind, ...ref } = source?.ref ?? { kind: '', name: '' };
  return `a pod copies ${kind} ${keyOf(ref)} into ${keyOf(volume.metadata)}`;
}

function noteFailure(
  { volume, copying: { history }, now }: Observed,
  { reason, message, retry, disrupted }: Failure,
): Effect {
  const record: CopyRecord = {
    attempts: history.attempts + 1,
    failures: history.failures + (disrupted ? 0 : 1),
    reason,
    message,
    at: now,
    final: !retry,
  };
  return patchVolume(volume, { metadata: { annotations: { [annotations.copy]: writeRecord(record) } } });
}

function noteCopy({ volume }: Observed, temporary: Stored<PersistentVolumeClaim>, whole: Copied): readonly Effect[] {
  const { digest } = whole;
  const noted = volume.metadata.annotations?.[annotations.digest] === digest;
  const note = { metadata: { annotations: { [annotations.digest]: digest } } };
  return [
    // First, while it can still be read anew.
    ...(digest === undefined || noted ? [] : [patchVolume(volume, note)]),
    patchClaim(temporary, { metadata: { annotations: { [annotations.copied]: writeCopied(whole) } } }),
  ];
}

/** Nothing has the claims mounted any more: a node must be done with a volume before another claim gets it. */
const vacated: Step = {
  name: 'copy-ended',
  done: ({ children: { copyPod: pod } }) => pod === undefined,
  waits: ({ children: { copyPod: pod } }) => {
    if (pod === undefined || !isGoing(pod)) return undefined;
    const more = { type: 'Normal', on: about(pods, pod), brief: true } as const;
    return waitFor('CloneInProgress', 'CloneInProgress', `${naming(pods, pod)} is done and is ending`, more);
  },
  effects: ({ children: { copyPod: pod } }) => remove(pods, pod),
};

/** For the sizes of what is made, as admission reckons them. */
function sizesOf({ source }: Observed) {
  const capacity = source?.claim === undefined ? restoreSizeOf(source?.snapshot) : capacityOf(source.claim);
  const asked = source?.claim === undefined ? undefined : requestOf(source.claim);
  const volumeMode: VolumeMode = source?.claim?.spec?.volumeMode === 'Block' ? 'Block' : 'Filesystem';
  return {
    ...(source?.claim === undefined ? {} : { volumeMode }),
    ...(capacity === undefined ? {} : { capacity }),
    ...(asked === undefined || asked === 0n ? {} : { requested: asked }),
  };
}

/** In the target's full size from the beginning: nothing has to grow afterwards. */
const blank: Making = {
  from: () => 'nothing',
  size: (o) =>
    wantedOf(o) ?? (o.choice.by === 'record' ? targetSize({ source: sizesOf(o), target: o.choice.target }) : undefined),
  marks: ({ copying }) => ({ [annotations.copyAttempt]: String(copying.history.attempts) }),
};

const progress: Progress = {
  phase: 'CloneScheduled',
  message: (_o, claim) => `the storage makes a blank volume for ${claim}`,
};

/** The user does not want to wait for a first consumer, so the copy pod is that: the scheduler then looks at both volumes. */
function isFirstConsumer({ volume, children: { temporary }, bindsLate }: Observed): boolean {
  return bindsLate && isImmediate(volume) && temporary !== undefined && nodeOf(temporary) === undefined;
}

function route(before: readonly Step[]): readonly Step[] {
  return transfer({
    temporary: blank,
    progress,
    copies: true,
    first: [undisturbed, outdated],
    before: [rested, ...before],
    after: [started, copied, vacated],
    consumer: { unneeded: ({ volume }) => isImmediate(volume), itself: isFirstConsumer },
  });
}

export const copyOfClaim: readonly Step[] = route([]);

/** A snapshot cannot be mounted; what is restored of it can. */
export const copyOfSnapshot: readonly Step[] = route(restoring);
