import { type KubeObject, keyOf, type ObjectRef, refOf } from '../shared/api/objects.ts';
import { ApiError, isForbidden, isRetryable } from '../shared/kube/errors.ts';
import { pods, type Resource } from '../shared/kube/resource.ts';
import { type Wait, waitFor } from './steps/step.ts';

/** What the API server will not have, in words for the owner of the DataVolume. */

/** What was to be written, and for which DataVolume. */
export interface Target {
  /** Of the DataVolume. */
  readonly key: string;
  readonly resource: Resource<KubeObject>;
  readonly ref: ObjectRef;
  /** What it is needed for, where that is not plain. */
  readonly because?: string | undefined;
}

/**
 * What the server says against the object itself is shown to its owner, and tried again with growing pauses: quotas, limits and policies
 * change, and no watch of ours tells. @throws the error when it is not against the object.
 */
export function refusal(error: unknown, target: Target): Wait {
  if (!(error instanceof ApiError) || isRetryable(error)) throw error;
  const quota = isForbidden(error) && error.message.includes('exceeded quota');
  const isPod = isForbidden(error) && target.resource.plural === pods.plural;
  const reason = quota ? 'ErrExceededQuota' : isPod ? 'PodForbidden' : 'CloneValidationFailed';
  const words = quota ? quotaText(error.message, target) : error.message;
  const message = target.because === undefined ? words : `${words}; it is needed because ${target.because}`;
  return waitFor('Pending', reason, message, { retry: true });
}

/** Who may clone from a namespace may know that there is no room for it, and not how much of what is used there, nor by which quota. */
function quotaText(message: string, { key, resource: { kind }, ref }: Target): string {
  if (ref.namespace === refOf(key).namespace) return message;
  const [, needs] = /, requested: (.+?), used: /su.exec(message) ?? [];
  const what = needs === undefined ? '' : `, which needs ${needs}`;
  return `a quota of namespace ${ref.namespace ?? ''} has no room for ${kind} ${keyOf(ref)}${what}; who administers that namespace can see its figures`;
}
