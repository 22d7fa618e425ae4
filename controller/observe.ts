import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import { annotations, isStrategy, type Strategy } from '../shared/api/names.ts';
import { controllerOf, keyOf, type ObjectRef, type PersistentVolumeClaim, type Stored } from '../shared/api/objects.ts';
import { parseQuantity, QuantityError } from '../shared/api/quantity.ts';
import { type Decision, decide } from '../shared/decision/decide.ts';
import type { PolicyFacts } from '../shared/decision/facts.ts';
import { gatherFacts } from '../shared/decision/gather.ts';
import { parseRecord } from '../shared/decision/record.ts';
import { renderTarget, type TargetClaim } from '../shared/decision/target.ts';
import type { Verification } from './authorize.ts';
import { lookupsOf, type Stores, writersOf } from './stores.ts';

/** Everything that the plan for one DataVolume depends on, read from the stores at one moment. No I/O, and nothing is written. */

export interface Observed {
  readonly volume: Stored<DataVolume>;
  readonly stamp: Verification;
  /** The claim of the DataVolume's name, whoever made it. */
  readonly claim: Stored<PersistentVolumeClaim> | undefined;
  /** Undefined when the stamp is not valid: nobody was authorized to look. */
  readonly source: SourceState | undefined;
  readonly choice: Choice;
  /** The target claim's class waits for the claim's first consumer. */
  readonly bindsLate: boolean;
}

export interface SourceState {
  readonly ref: CloneSource & { readonly uid?: string };
  readonly claim: Stored<PersistentVolumeClaim> | undefined;
  /** Keys of the pods that may write to it. */
  readonly writers: readonly string[];
  /** The source is the claim of a DataVolume that is not complete. */
  readonly beingFilled: boolean;
}

/** How the clone is to be made. */
export type Choice =
  | { readonly by: 'record'; readonly strategy: Strategy; readonly target: TargetClaim }
  /** Nothing was decided at admission, so it is decided now. */
  | { readonly by: 'now'; readonly decision: Decision }
  | { readonly by: 'nobody'; readonly message: string };

export function observe(
  stores: Stores,
  volume: Stored<DataVolume>,
  stamp: Verification,
  policy: PolicyFacts,
): Observed {
  const source = stamp.valid ? sourceState(stores, stamp.source) : undefined;
  const claim = stores.claims.get(keyOf(volume.metadata));
  const choice: Choice =
    source === undefined
      ? { by: 'nobody', message: 'without a valid stamp nothing is chosen' }
      : choose(stores, volume, source, policy);
  return { volume, stamp, claim, source, choice, bindsLate: bindsLate(stores, claim) };
}

function sourceState(stores: Stores, ref: CloneSource & { readonly uid?: string }): SourceState {
  const key = keyOf(ref);
  const claim = ref.kind === 'PersistentVolumeClaim' ? stores.claims.get(key) : undefined;
  const writers = claim === undefined ? [] : writersOf(stores, key).map(({ metadata }) => keyOf(metadata));
  return { ref, claim, writers: writers.toSorted(), beingFilled: claim !== undefined && beingFilled(stores, claim) };
}

function beingFilled({ volumes }: Stores, claim: PersistentVolumeClaim): boolean {
  const owner = controllerOf(claim);
  if (owner?.kind !== 'DataVolume') return false;
  const filler = volumes.get(keyOf({ namespace: claim.metadata.namespace ?? '', name: owner.name }));
  return filler !== undefined && filler.metadata.uid === owner.uid && filler.status?.phase !== 'Succeeded';
}

function choose(stores: Stores, volume: DataVolume, source: SourceState, policy: PolicyFacts): Choice {
  try {
    const target = renderTarget({ volume, ...lookupsOf(stores) });
    const strategy = recorded(volume);
    if (strategy !== undefined) return { by: 'record', strategy, target };
    return { by: 'now', decision: decideNow(stores, volume, source, policy) };
  } catch (error) {
    // A size that nobody can read: the webhook refuses such, but the object may have come another way.
    if (error instanceof QuantityError) return { by: 'nobody', message: error.message };
    throw error;
  }
}

/** The strategy, where annotation and record agree; else it counts as not decided. */
function recorded({ metadata }: DataVolume): Strategy | undefined {
  const named = metadata.annotations?.[annotations.cloneType];
  const record = parseRecord(metadata.annotations?.[annotations.decision]);
  return isStrategy(named) && record?.outcome === 'chosen' && record.strategy === named ? named : undefined;
}

function decideNow(stores: Stores, volume: DataVolume, source: SourceState, policy: PolicyFacts): Decision {
  const { ref, claim } = source;
  return decide(gatherFacts({ volume, source: ref, sourceClaim: claim, stores: lookupsOf(stores), policy }));
}

function bindsLate(stores: Stores, claim: PersistentVolumeClaim | undefined): boolean {
  const name = claim?.spec?.storageClassName ?? undefined;
  const storageClass = name === undefined ? undefined : stores.storageClasses.get(name);
  return storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
}

/** The target claim, when it is ours: controlled by this very DataVolume and made from its source. */
export function ownClaim({ volume, claim, source }: Observed): Stored<PersistentVolumeClaim> | undefined {
  if (claim === undefined || controllerOf(claim)?.uid !== volume.metadata.uid) return undefined;
  const from = claim.spec?.dataSourceRef ?? claim.spec?.dataSource;
  const same = source === undefined || (from?.kind === source.ref.kind && from.name === source.ref.name);
  return same ? claim : undefined;
}

/** Bytes that a claim's volume has; undefined when it does not say. */
export function capacityOf(claim: PersistentVolumeClaim | undefined): bigint | undefined {
  const text = claim?.status?.capacity?.['storage'];
  return text === undefined ? undefined : parseQuantity(text);
}

/** Bytes that a claim asks for. */
export function requestOf(claim: PersistentVolumeClaim): bigint {
  return parseQuantity(claim.spec?.resources?.requests?.['storage'] ?? '0');
}

/** The target claim's name: that of the DataVolume, as CDI has it. */
export function targetRef({ metadata }: Stored<DataVolume>): ObjectRef {
  return { namespace: metadata.namespace ?? '', name: metadata.name };
}
