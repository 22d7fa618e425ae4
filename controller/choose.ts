import type { DataVolume } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import { isQuantity, QuantityError } from '../shared/api/quantity.ts';
import { type Decision, decide } from '../shared/decision/decide.ts';
import type { PolicyFacts } from '../shared/decision/facts.ts';
import type { Standing } from '../shared/decision/fallback.ts';
import { gatherFacts } from '../shared/decision/gather.ts';
import { parseRecord } from '../shared/decision/record.ts';
import { renderTarget } from '../shared/decision/target.ts';
import type { Choice, SourceState } from './observed.ts';
import { lookupsOf, type Stores } from './stores.ts';

/** How a clone is to be made: as it was decided at admission, or, where nothing was, as it is decided now. */

export function choose(
  stores: Stores,
  volume: DataVolume,
  source: SourceState,
  policy: PolicyFacts,
  standing: Standing | undefined,
): Choice {
  try {
    const target = renderTarget({ volume, ...lookupsOf(stores) });
    checkBandwidth(volume);
    if (standing === undefined) return { by: 'now', decision: decideNow(stores, volume, source, policy) };
    const { strategy } = standing;
    if (strategy !== 'snapshot' || source.ref.kind === 'VolumeSnapshot') return { by: 'record', strategy, target };
    const snapshotClass = recordedClass(volume) ?? derivedClass(stores, volume, source, policy);
    return { by: 'record', strategy, target, ...(snapshotClass === undefined ? {} : { snapshotClass }) };
  } catch (error) {
    // A size that nobody can read: the webhook refuses such, but the object may have come another way.
    if (error instanceof QuantityError) return { by: 'nobody', message: error.message };
    throw error;
  }
}

/** @throws QuantityError */
function checkBandwidth({ metadata }: DataVolume): void {
  const asked = metadata.annotations?.[annotations.bandwidth];
  if (asked === undefined || isQuantity(asked)) return;
  throw new QuantityError(`annotation ${annotations.bandwidth} is no number of bytes per second, such as 100M`);
}

function recordedClass({ metadata }: DataVolume): string | undefined {
  return parseRecord(metadata.annotations?.[annotations.decision])?.snapshotClass;
}

/** For a record that names no class, as those of earlier versions: the one that a decision would take now. */
function derivedClass(
  stores: Stores,
  volume: DataVolume,
  source: SourceState,
  policy: PolicyFacts,
): string | undefined {
  const decision = decideNow(stores, volume, source, policy);
  return decision.outcome === 'chosen' ? decision.snapshotClass : undefined;
}

function decideNow(stores: Stores, volume: DataVolume, source: SourceState, policy: PolicyFacts): Decision {
  const { ref, claim, snapshot } = source;
  const known = { volume, source: ref, sourceClaim: claim, sourceSnapshot: snapshot };
  return decide(gatherFacts({ ...known, stores: lookupsOf(stores), policy }));
}
