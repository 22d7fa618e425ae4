import { capacityOf, type Observed, ownClaim, type SourceState } from '../observe.ts';
import { gate, type Wait, waitFor } from './step.ts';

/**
 * A source claim that can be cloned now. Once the target claim is there the gate is open for good: the clone has begun, and whoever
 * writes to the source later does so on his own account.
 */
export const sourceReady = gate('source-ready', (o) =>
  ownClaim(o) !== undefined || o.source === undefined ? undefined : sourceWaits(o.source),
);

function sourceWaits({ ref, claim, writers, beingFilled }: SourceState): Wait | undefined {
  const source = `${ref.kind} ${ref.namespace}/${ref.name}`;
  if (claim === undefined) return waitFor('Pending', 'CloneWithoutSource', `${source} does not exist`);
  if (claim.metadata.deletionTimestamp !== undefined)
    return waitFor('CloneScheduled', 'SourceTerminating', `${source} is being deleted`);
  if (beingFilled)
    return waitFor('CloneScheduled', 'CloneSourceNotPopulated', `${source} is itself still being filled`, {
      type: 'Normal',
    });
  if (claim.status?.phase !== 'Bound' || capacityOf(claim) === undefined)
    return waitFor('CloneScheduled', 'SourceNotBound', `${source} has no volume yet`, { type: 'Normal' });
  if (writers.length === 0) return undefined;
  return waitFor(
    'CloneScheduled',
    'CloneSourceInUse',
    `${source} is in use by ${podList(writers)}, which may write to it`,
  );
}

/** Names for a message: the first few, and how many more. */
const named = 5;

function podList(writers: readonly string[]): string {
  const some = writers.slice(0, named).join(', ');
  const more = writers.length > named ? ` and ${writers.length - named} more` : '';
  return `${writers.length === 1 ? 'pod' : 'pods'} ${some}${more}`;
}

/** What became of the source after the clone had begun, where it will keep it from coming to an end. */
export function sourceLost({ source }: Observed): string | undefined {
  if (source === undefined || source.claim !== undefined) return undefined;
  return `${source.ref.kind} ${source.ref.namespace}/${source.ref.name} was deleted while it was being cloned`;
}
