import { annotations } from '../../shared/api/names.ts';
import { keyOf, type PersistentVolumeClaim, refOf, type Stored } from '../../shared/api/objects.ts';
import { apiVersionOf, claims, pods } from '../../shared/kube/resource.ts';
import { temporaryName } from '../children.ts';
import type { Effect } from '../effects.ts';
import { type Observed, ownClaim } from '../observed.ts';
import { temporaryClaim } from './claim.ts';
import { mounts } from './helper.ts';
import { about, create, hold, isGoing, naming, patchClaim, remove } from './parts.ts';
import { podList, sourceLost } from './source.ts';
import { gate, type Step, type Wait, waitFor } from './step.ts';
import { type Making, nodeOf, type Progress, sizeUnknown } from './target.ts';

/** The claim beside a source in another namespace: it is filled there, since nothing reaches a source across namespaces. */

export function temporaryMade({ from, size, marks }: Making, { phase }: Progress): Step {
  return {
    name: 'temporary-made',
    guarded: true,
    done: ({ children: { temporary } }) => temporary !== undefined && !isGoing(temporary),
    waits: (o) => {
      const { temporary } = o.children;
      if (temporary === undefined) return sizeUnknown(size(o));
      const message = `${naming(claims, temporary)} is being deleted; it is made again when it is gone`;
      return waitFor(phase, 'ErrResourceMarkedForDeletion', message, { on: about(claims, temporary) });
    },
    effects: (o) => {
      const { volume, source, choice } = o;
      const [content, bytes] = [from(o), size(o)];
      if (source === undefined || content === undefined || bytes === undefined || choice.by !== 'record') return [];
      const plan = { volume, target: choice.target, size: bytes, from: content };
      const object = temporaryClaim(plan, source.ref.namespace, { ...marksOf(o), ...marks?.(o) });
      return [...hold(volume), create(volume, claims, object)];
    },
  };
}

/** The node that the target claim's first consumer will run on. */
function marksOf(o: Observed): Readonly<Record<string, string>> {
  const node = o.bindsLate ? nodeOf(ownClaim(o)) : undefined;
  return node === undefined ? {} : { [annotations.selectedNode]: node };
}

/**
 * A node that has no room for the volume is given back to the scheduler: the provisioner takes it off the claim that it works on, and we
 * off the target claim, which the scheduler looks at. Another node then begins with another temporary claim. Should the scheduler be
 * quicker than a restart of ours, its choice is given back once more, and nothing else is lost.
 */
export const placed: Step = {
  name: 'placed',
  done: ({ children: { temporary }, bindsLate }) =>
    !bindsLate || temporary?.spec?.volumeName !== undefined || nodeOf(temporary) !== undefined,
  waits: () => undefined,
  effects: (o): readonly Effect[] => {
    const target = ownClaim(o);
    const unplaced = { metadata: { annotations: { [annotations.selectedNode]: null } } };
    return [
      ...(target === undefined || nodeOf(target) === undefined ? [] : [patchClaim(target, unplaced)]),
      ...remove(claims, o.children.temporary),
    ];
  },
};

export function temporaryBound(progress: Progress): Step {
  return gate('temporary-bound', (o) => {
    const { temporary } = o.children;
    return temporary === undefined || isBound(temporary) ? undefined : unbound(o, temporary, progress);
  });
}

export function isBound({ status }: PersistentVolumeClaim): boolean {
  return status?.phase === 'Bound';
}

function unbound(o: Observed, claim: Stored<PersistentVolumeClaim>, { phase, message }: Progress): Wait {
  const on = about(claims, claim);
  // The volume's own watch may lag behind: a claim is lost as well when its volume has just been handed over.
  if (claim.status?.phase === 'Lost' && o.filled === undefined)
    return waitFor('Failed', 'ErrClaimLost', `${naming(claims, claim)} lost its volume`, { on });
  const lost = sourceLost(o);
  if (lost !== undefined) return waitFor(phase, lost.reason, lost.message, { on });
  return waitFor(phase, phase, message(o, keyOf(claim.metadata)), { type: 'Normal', on, atWork: true });
}

/** Nothing has the temporary claim mounted any more: a node must be done with a volume before another claim gets it. */
export const released: Step = {
  name: 'released',
  done: (o) => helpersOf(o).length === 0,
  waits: (o) => {
    const going = helpersOf(o).find(isGoing);
    if (going === undefined) return undefined;
    const message = `${naming(pods, going)} is ending`;
    return waitFor('PrepClaimInProgress', 'PrepClaimInProgress', message, { type: 'Normal', on: about(pods, going) });
  },
  effects: (o) => helpersOf(o).flatMap((pod) => remove(pods, pod)),
};

function helpersOf({ children: { helpers, temporary } }: Observed) {
  return helpers.filter((pod) => temporary !== undefined && mounts(pod, temporary));
}

/**
 * Nobody else has it either, be it to read only: whoever had it would go on reading, or writing, what the owner of the target does with the
 * volume. Only in the source's namespace can anybody have it.
 */
export const unused: Step = gate('unused', (o) =>
  isUsed(o, 'PrepClaimInProgress', 'the volume is handed over when they have ended'),
);

/**
 * And so it was when the volume was handed over. Who was quicker than our look at the pods still has it; who comes later gets nothing, for
 * kubelets mount a volume only for the claim that it is bound to.
 */
export const forsaken: Step = gate('forsaken', (o) =>
  isUsed(o, 'RebindInProgress', "the volume is another claim's by now, and the clone is complete when they have ended"),
);

function isUsed(
  { users, source, volume }: Observed,
  phase: Wait['phase'] & Wait['reason'],
  then: string,
): Wait | undefined {
  const [first] = users;
  if (first === undefined) return undefined;
  const claim = keyOf({ namespace: source?.ref.namespace ?? '', name: temporaryName(volume.metadata.uid) });
  const message = `${claims.kind} ${claim} is in use by ${podList(users)}; ${then}`;
  return waitFor(phase, phase, message, { on: { apiVersion: apiVersionOf(pods), kind: pods.kind, ...refOf(first) } });
}
