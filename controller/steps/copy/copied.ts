import { annotations } from '../../../shared/api/names.ts';
import { keyOf, type PersistentVolumeClaim, type Stored } from '../../../shared/api/objects.ts';
import type { Pod } from '../../../shared/api/pod.ts';
import { pods } from '../../../shared/kube/resource.ts';
import { copyPodsOf } from '../../children.ts';
import { type Copied, writeCopied } from '../../copy/record.ts';
import { type Pending, verdictOn } from '../../copy/verdict.ts';
import type { Effect } from '../../effects.ts';
import type { Observed } from '../../observed.ts';
import { about, isGoing, naming, patchClaim, patchVolume, remove } from '../parts.ts';
import { type Step, type Wait, waitFor } from '../step.ts';
import { exported, partingNow } from './apart.ts';
import { placeWait, withPlaces } from './places.ts';
import { planOf } from './plan.ts';
import { copyPod, importPod, verifies } from './pod.ts';
import { isApart, isWhole, noteFailure } from './tries.ts';
import { pendingAt, pendingOf } from './waits.ts';

/** The pod that copies, from when it is made until it is gone. */

/** The pod is there; of two, the second one. */
export const started: Step = {
  name: 'copy-started',
  guarded: true,
  done: (o) => isWhole(o) || o.children.copyPod !== undefined,
  waits: placeWait,
  effects: (o): readonly Effect[] => {
    const plan = planOf(o);
    if (plan === undefined) return [];
    if (!isApart(o)) return [copyPod(plan)];
    const other = exported(o);
    return other.state === 'serving' ? [importPod(plan, other.address)] : [];
  },
};

export const copied: Step = {
  name: 'copied',
  done: isWhole,
  waits: (o) => {
    const pod = o.children.copyPod;
    const verdict = pod === undefined ? undefined : verdictOn(pod);
    if (pod === undefined || verdict === undefined) return undefined;
    if (verdict.state === 'pending') return unparted(o, pod, verdict);
    if (verdict.state !== 'running') return undefined;
    return waitFor('CloneInProgress', 'CloneInProgress', copies(o), {
      type: 'Normal',
      on: about(pods, pod),
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

/** That two pods could do it is said where it is not done yet. */
function unparted(o: Observed, pod: Stored<Pod>, verdict: Pending): Wait {
  const parting = partingNow(o);
  const wait = withPlaces(pod, pendingOf(o, pod, verdict));
  if (parting?.state === 'off')
    return { ...wait, message: `${wait.message}; two pods could copy over the network, but --copy-network is false` };
  if (parting?.state !== 'later') return wait;
  const at = new Date(o.now + parting.in).toISOString();
  const message = `${wait.message}; if that stays so, two pods copy over the network from ${at} on`;
  return { ...wait, message, again: parting.in };
}

function copies(o: Observed): string {
  const { kind, ...ref } = o.source?.ref ?? { kind: '', name: '' };
  const who = isApart(o) ? 'two pods copy, over the network,' : 'a pod copies';
  return `${who} ${kind} ${keyOf(ref)} into ${keyOf(o.volume.metadata)}`;
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
export const vacated: Step = {
  name: 'copy-ended',
  done: ({ children }) => copyPodsOf(children).length === 0,
  waits: ({ children }) => {
    const [pod, ...others] = copyPodsOf(children);
    if (pod === undefined || ![pod, ...others].every(isGoing)) return undefined;
    return waitFor(
      'CloneInProgress',
      'CloneInProgress',
      `${naming(pods, pod)} is done and is ending`,
      pendingAt('Normal', pod),
    );
  },
  effects: ({ children }) => copyPodsOf(children).flatMap((pod) => remove(pods, pod)),
};
