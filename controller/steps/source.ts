import { keyOf } from '../../shared/api/objects.ts';
import { claims, volumeSnapshots } from '../../shared/kube/resource.ts';
import { fromVolume, type Observed, ownClaim, type SourceState, sourceObject } from '../observed.ts';
import { holdsBytes, isFrom } from '../origin.ts';
import { capacityOf } from '../sizes.ts';
import { about, isGoing } from './parts.ts';
import { gate, type Wait, waitFor } from './step.ts';

/**
 * A source that can be cloned now. Once the storage has been asked to read it the gate is open for good: the clone has begun, and
 * whoever writes to the source later does so on his own account.
 */
export const sourceReady = gate('source-ready', (o) =>
  hasBegun(o) || o.source === undefined ? undefined : sourceWaits(o.source),
);

/** A target claim that waits for a volume to be handed over reads nothing. */
function hasBegun(o: Observed): boolean {
  const { temporary, snapshot, moving } = o.children;
  // What is to be copied is read for as long as the copy takes.
  if (temporary !== undefined && (holdsBytes(temporary) || !isFrom(temporary, 'nothing'))) return true;
  if (snapshot !== undefined || moving !== undefined || isRestored(o)) return true;
  const own = ownClaim(o);
  return own !== undefined && (own.spec?.volumeName !== undefined || !isFrom(own, fromVolume(o)));
}

/**
 * Whether the bytes are ours, so that it no longer matters what becomes of the source: a volume holds them, or a snapshot is bound to
 * what it was taken of.
 */
export function isIndependent(o: Observed): boolean {
  const { temporary, snapshot, moving } = o.children;
  const filled = moving !== undefined || (temporary !== undefined && holdsBytes(temporary));
  return (
    filled ||
    isRestored(o) ||
    ownClaim(o)?.spec?.volumeName !== undefined ||
    snapshot?.status?.boundVolumeSnapshotContentName !== undefined
  );
}

/** The source is a snapshot whose bytes lie in a volume by now. */
function isRestored({ children: { restored } }: Observed): boolean {
  return restored?.spec?.volumeName !== undefined;
}

export function sourceWaits(source: SourceState): Wait | undefined {
  const name = named(source);
  const object = sourceObject(source);
  if (object === undefined) return waitFor('Pending', 'CloneWithoutSource', `${name} does not exist`);
  if (isGoing(object)) return waitFor('CloneScheduled', 'SourceTerminating', `${name} is being deleted`);
  return source.ref.kind === 'VolumeSnapshot' ? snapshotWaits(source, name) : claimWaits(source, name);
}

function snapshotWaits({ snapshot }: SourceState, name: string): Wait | undefined {
  if (snapshot === undefined || snapshot.status?.readyToUse === true) return undefined;
  const on = about(volumeSnapshots, snapshot);
  const failure = snapshot.status?.error?.message;
  if (failure !== undefined)
    return waitFor('CloneScheduled', 'SnapshotNotReady', `${name} has failed: ${failure}`, { on });
  return waitFor('CloneScheduled', 'SnapshotNotReady', `${name} is not ready to use yet`, { type: 'Normal', on });
}

function claimWaits({ claim, writers, beingFilled, inUse }: SourceState, name: string): Wait | undefined {
  if (claim === undefined) return undefined;
  const on = about(claims, claim);
  if (beingFilled)
    return waitFor('CloneScheduled', 'CloneSourceNotPopulated', `${name} is itself still being filled`, {
      type: 'Normal',
      on,
    });
  if (claim.status?.phase !== 'Bound' || capacityOf(claim) === undefined)
    return waitFor('CloneScheduled', 'SourceNotBound', `${name} has no volume yet`, { type: 'Normal', on });
  if (writers.length === 0 || inUse.rule === 'clone') return undefined;
  const why = 'why' in inUse ? `; ${inUse.why}` : '';
  return waitFor(
    'CloneScheduled',
    'CloneSourceInUse',
    `${name} is in use by ${podList(writers)}, which may write to it${why}`,
  );
}

function named({ ref }: SourceState): string {
  return `${ref.kind} ${keyOf(ref)}`;
}

/** Names for a message: the first few, and how many more. */
const few = 5;

export function podList(writers: readonly string[]): string {
  const some = writers.slice(0, few).join(', ');
  const more = writers.length > few ? ` and ${writers.length - few} more` : '';
  return `${writers.length === 1 ? 'pod' : 'pods'} ${some}${more}`;
}

/**
 * What became of the source after the clone had begun, where it may keep it from coming to an end: CSI's sidecars begin nothing with a
 * source that is being deleted, and Kubernetes in turn keeps that until nobody reads it any more.
 */
export function sourceLost(o: Observed): Pick<Wait, 'reason' | 'message'> | undefined {
  const { source } = o;
  if (source === undefined || isIndependent(o)) return undefined;
  const object = sourceObject(source);
  const name = named(source);
  if (object === undefined)
    return { reason: 'CloneWithoutSource', message: `${name} was deleted while it was being cloned` };
  if (!isGoing(object)) return undefined;
  return { reason: 'SourceTerminating', message: `${name} is being deleted while it is being cloned` };
}
