import type { DataVolumeCondition, DataVolumeStatus } from '../shared/api/datavolume.ts';
import type { Wait } from './steps/step.ts';

/** What the status says already; it is our only memory, and it outlives the program. */

export function conditionOf(
  status: DataVolumeStatus | undefined,
  type: DataVolumeCondition['type'],
): DataVolumeCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Whether the status tells of this very wait, in whatever words. */
export function tellsOf(
  status: DataVolumeStatus | undefined,
  { phase, reason }: Pick<Wait, 'phase' | 'reason'>,
): boolean {
  return status?.phase === phase && conditionOf(status, 'Running')?.reason === reason;
}

/**
 * Milliseconds that this wait has lasted by now (since the epoch); 0 when the status does not tell of it, or of a time to come. A pod that
 * copies may take as long as it likes, if only it comes on: its wait begins anew with each word of that.
 */
export function waited(status: DataVolumeStatus | undefined, wait: Wait, now: number): number {
  if (!tellsOf(status, wait)) return 0;
  const { lastTransitionTime, lastHeartbeatTime } = conditionOf(status, 'Running') ?? {};
  const since = Date.parse((wait.copying === undefined ? lastTransitionTime : lastHeartbeatTime) ?? '');
  // Written so that an unreadable time (NaN) counts as now.
  return since <= now ? now - since : 0;
}

/** What was told of the stall, while the wait is still the same. */
export function stallTold(status: DataVolumeStatus | undefined, wait: Wait): string | undefined {
  const ready = conditionOf(status, 'Ready');
  return tellsOf(status, wait) && ready?.reason === 'CloneStalled' ? ready.message : undefined;
}
