import type { Stored } from '../../../shared/api/objects.ts';
import type { Pod } from '../../../shared/api/pod.ts';
import { claims, pods } from '../../../shared/kube/resource.ts';
import type { Pending } from '../../copy/verdict.ts';
import type { Observed } from '../../observed.ts';
import { about, naming } from '../parts.ts';
import { type Wait, waitFor } from '../step.ts';
import { nodeOf } from '../target.ts';
import { isBound } from '../temporary.ts';
import { roleOf } from './pod.ts';

/** What is waited for until a pod of a copy runs. */
export function pendingOf(o: Observed, pod: Stored<Pod>, { reason, message, type }: Pending): Wait {
  return provisioned(o, pod) ?? waitFor('CloneScheduled', reason, message, pendingAt(type, pod));
}

export function pendingAt(type: Wait['type'], pod: Stored<Pod>): Partial<Wait> {
  return { type, on: about(pods, pod), ...(type === 'Normal' ? { brief: true } : {}) };
}

/** A pod that is the first consumer of a claim waits for the storage, which may fail at it. */
function provisioned({ children: { temporary, restored } }: Observed, pod: Stored<Pod>): Wait | undefined {
  const volumes = pod.spec?.volumes ?? [];
  const uses = new Set(volumes.map(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName));
  const claim = [restored, temporary].find((one) => one !== undefined && uses.has(one.metadata.name) && !isBound(one));
  if (claim === undefined || nodeOf(claim) === undefined) return undefined;
  const message = `${naming(claims, claim)} is made where the ${roleOf(pod) === 'export' ? 'export' : 'copy'} pod is to run`;
  return waitFor('CloneScheduled', 'CopyPodPending', message, {
    type: 'Normal',
    on: about(claims, claim),
    atWork: true,
  });
}
