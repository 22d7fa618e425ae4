import type { Stored } from '../../../shared/api/objects.ts';
import type { Pod } from '../../../shared/api/pod.ts';
import { pods } from '../../../shared/kube/resource.ts';
import { avoidedBy } from '../../copy/places.ts';
import { unschedulable } from '../../copy/verdict.ts';
import type { Observed } from '../../observed.ts';
import { isGoing, naming, remove } from '../parts.ts';
import { type Step, type Wait, waitFor } from '../step.ts';
import { isWhole } from './tries.ts';
import { pendingAt } from './waits.ts';

/** Milliseconds between two looks: no watch tells that a place has become free. */
const pause = 2000;

/** Before a pod that copies is made. */
export function placeWait({ copying: { places } }: Observed): Wait | undefined {
  if (!places.moving) return undefined;
  const message = 'the pod of another copy is getting its node; one after the other, so that no node gets too many';
  return waitFor('CloneScheduled', 'CopyPodPending', message, { type: 'Normal', brief: true, again: pause });
}

/** What is told of a pod that no node takes, where nodes are kept from it. */
export function withPlaces(pod: Stored<Pod>, wait: Wait): Wait {
  const avoided = avoidedBy(pod);
  if (wait.reason !== 'CopyPodUnschedulable' || avoided.length === 0) return wait;
  const message = `${wait.message}; left out are nodes that run as many copies as they may (--copies-per-node): ${avoided.join(', ')}`;
  return { ...wait, message, again: Math.min(wait.again ?? pause, pause) };
}

/** A pod that no node takes, and that was kept from one which has a place by now, is made again. It has not begun, so that is no failure. */
export const placed: Step = {
  name: 'copy-placed',
  done: (o) => isWhole(o) || misplaced(o) === undefined,
  waits: (o) => {
    const pod = misplaced(o);
    if (pod === undefined || !isGoing(pod)) return undefined;
    const message = `${naming(pods, pod)}, which no node took, is made again for a node that has a place now`;
    return waitFor('CloneScheduled', 'CopyPodPending', message, pendingAt('Normal', pod));
  },
  effects: (o) => remove(pods, misplaced(o)),
};

/** @returns the copy pod, where it is that. */
function misplaced({ children: { copyPod: pod }, copying: { places } }: Observed): Stored<Pod> | undefined {
  if (pod === undefined || unschedulable(pod.status ?? {}) === undefined) return undefined;
  const avoided = avoidedBy(pod);
  const isFree = avoided.some((node) => !places.full.includes(node));
  return isFree || (avoided.length > 0 && isGoing(pod)) ? pod : undefined;
}
