import type { ConditionStatus, DataVolumeCondition, DataVolumeStatus, Phase } from '../shared/api/datavolume.ts';
import { keyOf, type PersistentVolumeClaim } from '../shared/api/objects.ts';
import type { ReasonCode } from '../shared/api/reasons.ts';
import { type Observed, ownClaim, targetRef } from './observed.ts';
import type { Plan } from './plan.ts';
import type { Wait } from './steps/step.ts';

/** The status that a plan means, in CDI's phases and conditions (cdi-behaviour 4.1 and 4.3). Pure. */

/** Plans that the owner of the DataVolume gets to see; the others only lead to one of these. */
export type Telling = Extract<Plan, { state: 'waiting' | 'done' }>;

export function statusOf(o: Observed, plan: Telling, now: Date): DataVolumeStatus {
  const adopted = plan.state === 'done' && plan.adopted === true;
  const own = adopted ? o.claim : ownClaim(o);
  const news = plan.state === 'done' ? completed(adopted) : plan.wait;
  const made = [bound(o, own, news), running(news), ready(news, plan.state === 'waiting' ? plan.stalled : undefined)];
  return {
    ...o.volume.status,
    phase: news.phase,
    progress: progressOf(o, plan),
    ...restartsOf(o),
    ...(own === undefined ? {} : { claimName: own.metadata.name }),
    conditions: made.map((condition) => dated(condition, o.volume.status?.conditions, now)),
  };
}

/** As CDI has it: only of what is copied does anybody know how far it is. After a restart of ours, what was told stands until the pod is asked. */
function progressOf({ volume }: Observed, plan: Telling): string {
  if (plan.state === 'done') return plan.adopted === true ? 'N/A' : '100.0%';
  if (plan.wait.copying === undefined) return 'N/A';
  return plan.progress ?? volume.status?.progress ?? 'N/A';
}

/** Of a copy that was begun anew. */
function restartsOf({ copying: { history } }: Observed): { readonly restartCount?: number } {
  return history.attempts === 0 ? {} : { restartCount: history.attempts };
}

type News = Pick<Wait, 'phase' | 'reason' | 'message'>;

function completed(adopted: boolean): News {
  const message = adopted ? 'the claim was there, with its content' : 'the clone is complete';
  return { phase: 'Succeeded', reason: 'Completed', message };
}

type Undated = Pick<DataVolumeCondition, 'type' | 'status'> & { readonly reason: ReasonCode; readonly message: string };

function condition(type: Undated['type'], status: ConditionStatus, reason: ReasonCode, message: string): Undated {
  return { type, status, reason, message };
}

function bound(o: Observed, own: PersistentVolumeClaim | undefined, { reason, message }: News): Undated {
  if (own === undefined) return condition('Bound', 'False', reason, message);
  const name = `PersistentVolumeClaim ${keyOf(targetRef(o.volume))}`;
  const { phase } = own.status ?? {};
  if (phase === 'Bound') return condition('Bound', 'True', 'Bound', `${name} is bound`);
  if (phase === 'Lost') return condition('Bound', 'False', 'ClaimLost', `${name} lost its volume`);
  return condition('Bound', 'False', 'Pending', `${name} is not bound yet`);
}

/** Phases in which data is, or may at any moment be, on its way. */
const workPhases: ReadonlySet<Phase> = new Set([
  'CSICloneInProgress',
  'SnapshotForSmartCloneInProgress',
  'CloneFromSnapshotSourceInProgress',
  'CloneInProgress',
  'PrepClaimInProgress',
  'RebindInProgress',
]);

function running({ phase, reason, message }: News): Undated {
  return condition('Running', workPhases.has(phase) ? 'True' : 'False', reason, message);
}

function ready({ phase, reason, message }: News, stalled: string | undefined): Undated {
  if (stalled !== undefined) return condition('Ready', 'False', 'CloneStalled', stalled);
  const status = phase === 'Succeeded' ? 'True' : phase === 'Unknown' ? 'Unknown' : 'False';
  return condition('Ready', status, reason, message);
}

/**
 * A condition that says the same as before keeps its times, so that nothing is written when nothing has changed. The transition is that
 * of status or reason: Running then tells how long the clone has waited for the same thing, also to a program that has just started.
 */
function dated(made: Undated, before: readonly DataVolumeCondition[] = [], now: Date): DataVolumeCondition {
  const last = before.find(({ type }) => type === made.type);
  const at = now.toISOString().replace(/\.\d+Z$/, 'Z');
  const moved = last?.status !== made.status || last.reason !== made.reason;
  const changed = moved || last?.message !== made.message;
  return {
    ...made,
    lastTransitionTime: moved ? at : (last?.lastTransitionTime ?? at),
    lastHeartbeatTime: changed ? at : (last?.lastHeartbeatTime ?? at),
  };
}

/** Whether two statuses say the same. */
export function sameStatus(a: DataVolumeStatus | undefined, b: DataVolumeStatus): boolean {
  return (
    a?.phase === b.phase &&
    a?.progress === b.progress &&
    a?.restartCount === b.restartCount &&
    a?.claimName === b.claimName &&
    JSON.stringify(a?.conditions?.map(fields)) === JSON.stringify(b.conditions?.map(fields))
  );
}

function fields({ type, status, reason, message }: DataVolumeCondition): readonly unknown[] {
  return [type, status, reason, message];
}
