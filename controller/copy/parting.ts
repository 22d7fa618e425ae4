import type { Pod } from '../../shared/api/pod.ts';
import { avoidedBy } from './places.ts';
import type { CopyPolicy } from './policy.ts';
import { refusalOf, refusesByAffinity } from './scheduler.ts';
import { quoted, unschedulable } from './verdict.ts';

/** Whether two pods are to do what no node lets one do: only where the volumes are what keeps it from a node. Pure. */
export type Parting =
  /** Now, and why. */
  | { readonly state: 'due'; readonly why: string }
  /** After so many milliseconds, if nothing changes. */
  | { readonly state: 'later'; readonly in: number }
  /** The administrator does not want it. */
  | { readonly state: 'off' };

interface Present {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** An earlier try took two pods; what it was waited for then need not be waited for again. */
  readonly before: boolean;
}

/**
 * Of a pod that has both volumes. The time is that of the scheduler's clock. Whether nodes that it was kept from for having enough to do
 * reach both, the scheduler has not said: the pod is made again when one of them has a place.
 */
export function partingOf(
  pod: Pod,
  { network, networkAfter }: Pick<CopyPolicy, 'network' | 'networkAfter'>,
  { now, before }: Present,
): Parting | undefined {
  const { message = '', lastTransitionTime = '' } = unschedulable(pod.status ?? {}) ?? {};
  if (avoidedBy(pod).length > 0 && refusesByAffinity(message)) return undefined;
  const { volumes, lasting } = refusalOf(message);
  if (!volumes) return undefined;
  if (!network) return { state: 'off' };
  if (lasting) return { state: 'due', why: `no node reaches both volumes (${quoted(message)})` };
  if (before) return { state: 'due', why: `no node takes both volumes, as before (${quoted(message)})` };
  const since = Date.parse(lastTransitionTime);
  const left = Number.isNaN(since) ? networkAfter : since + networkAfter - now;
  if (left > 0) return { state: 'later', in: left };
  return { state: 'due', why: `no node has taken both volumes for ${networkAfter / 1000} s (${quoted(message)})` };
}
