import type { Strategy } from '../api/names.ts';
import type { Decision } from './decide.ts';
import type { CloneFacts } from './facts.ts';
import { targetSize } from './sizes.ts';

/** What a clone makes in one namespace: for the planner's dry run, and to be held against quotas before anything is made. */
export interface Footprint {
  readonly namespace: string;
  readonly claims: readonly PlannedClaim[];
  readonly snapshots: number;
  readonly pods: number;
}

export interface PlannedClaim {
  /** Bytes; undefined when not even the source's size is known. */
  readonly size?: bigint;
  readonly storageClassName?: string;
  /** Gone again when the clone is done. */
  readonly temporary: boolean;
}

/** What a decision leads to; undefined as long as it chooses nothing. */
export function plannedBy(decision: Decision, facts: CloneFacts): readonly Footprint[] | undefined {
  return decision.outcome === 'chosen' ? footprint(decision.strategy, facts) : undefined;
}

/**
 * The objects of a clone, by namespace, the target's first. Within a namespace the target claim is filled itself, unless by a copy; else a
 * temporary claim beside the source is filled and its volume handed over, so for a moment it is paid for twice (design,
 * section 4). A restored snapshot costs a VolumeSnapshot unless it is the source itself, and that is restored first to be copied. A copy takes
 * one pod: that it needs a second one the scheduler says when it comes to it, and a quota that has no room then is told on the DataVolume.
 */
export function footprint(strategy: Strategy, facts: CloneFacts): readonly Footprint[] {
  const { source, target } = facts;
  const size = targetSize(facts);
  const claim = (temporary: boolean): PlannedClaim => ({
    ...(size === undefined ? {} : { size }),
    ...(target.storageClassName === undefined ? {} : { storageClassName: target.storageClassName }),
    temporary,
  });
  const snapshots = strategy === 'snapshot' && source.kind === 'PersistentVolumeClaim' ? 1 : 0;
  const isCopy = strategy === 'copy';
  const pods = isCopy ? 1 : 0;
  const restored = isCopy && source.kind === 'VolumeSnapshot' ? [restoredClaim(source.capacity ?? size)] : [];
  if (source.namespace === target.namespace) {
    const claims = isCopy ? [claim(false), claim(true), ...restored] : [claim(false)];
    return [{ namespace: target.namespace, claims, snapshots, pods }];
  }
  return [
    { namespace: target.namespace, claims: [claim(false)], snapshots: 0, pods: 0 },
    { namespace: source.namespace, claims: [claim(true), ...restored], snapshots, pods },
  ];
}

/** Of which class is found out when it is made. */
function restoredClaim(size: bigint | undefined): PlannedClaim {
  return { ...(size === undefined ? {} : { size }), temporary: true };
}
