import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import { annotations, type Strategy } from '../shared/api/names.ts';
import {
  controllerOf,
  type KubeObject,
  keyOf,
  type ObjectRef,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Stored,
  type TypedLocalReference,
  type VolumeMode,
  type VolumeSnapshot,
  type VolumeSnapshotContent,
} from '../shared/api/objects.ts';
import { isQuantity, parseQuantity, QuantityError } from '../shared/api/quantity.ts';
import { type Decision, decide } from '../shared/decision/decide.ts';
import type { PolicyFacts } from '../shared/decision/facts.ts';
import { type Standing, standingOf } from '../shared/decision/fallback.ts';
import { gatherFacts } from '../shared/decision/gather.ts';
import { parseRecord } from '../shared/decision/record.ts';
import { renderTarget, type TargetClaim } from '../shared/decision/target.ts';
import { dataVolumes, volumeSnapshots } from '../shared/kube/resource.ts';
import type { Verification } from './authorize.ts';
import { childrenOf, ofSource } from './belongings.ts';
import { type Children, isSnapshotName, snapshotName } from './children.ts';
import { anywhere, type Places } from './copy/places.ts';
import type { CopyPolicy } from './copy/policy.ts';
import { type CopyHistory, historyOf } from './copy/record.ts';
import { type InUse, inUseRule } from './in-use.ts';
import { isFrom } from './origin.ts';
import { type Company, nobody, type Sharing } from './sharing.ts';
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
  /** Why not all that matters is known, in a sentence without an end: the source is where we do not see. */
  readonly closed: string | undefined;
  /** The target claim's class waits for the claim's first consumer. */
  readonly bindsLate: boolean;
  readonly children: Children;
  /** With whom it would take a snapshot. */
  readonly company: Company;
  /** The volume of the temporary claim. */
  readonly filled: Stored<PersistentVolume> | undefined;
  /** Claims, of target and temporary claim, that a pod has mounted or is about to mount writably; a helper of ours too. */
  readonly mounted: ReadonlySet<string>;
  readonly helperImage: string;
  readonly copying: Copying;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What only copies depend on. */
export interface Copying {
  readonly policy: CopyPolicy;
  readonly history: CopyHistory;
  readonly places: Places;
  /** How a snapshot is restored for its bytes to be copied; undefined when it need not be, or nobody knows. */
  readonly restore: Restore | undefined;
  /** The class of the claim that it is restored into waits for the first consumer. */
  readonly restoredLate: boolean;
}

export interface Restore {
  readonly driver: string;
  readonly volumeMode: VolumeMode | undefined;
  /** A StorageClass of the driver; undefined when there is none. */
  readonly storageClassName: string | undefined;
}

/** What a pass knows beside the stores. */
export interface Present {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What the snapshot that is the source is bound to, where its bytes are to be copied. */
  readonly content?: VolumeSnapshotContent | undefined;
  /** Where a pod may copy. */
  readonly places?: Places;
}

/** What the administrator set, as far as the execution depends on it. */
export interface ExecutionPolicy extends PolicyFacts {
  /** Image of the pod that mounts a claim for the sake of mounting it. */
  readonly helperImage: string;
  readonly copy: CopyPolicy;
}

export interface SourceState {
  /** With the uid as it was stamped, or recorded when the source came later; none while it has yet to come. */
  readonly ref: CloneSource & { readonly uid?: string };
  readonly claim: Stored<PersistentVolumeClaim> | undefined;
  readonly snapshot: Stored<VolumeSnapshot> | undefined;
  /** Keys of the pods that may write to it. */
  readonly writers: readonly string[];
  /** The source is the claim of a DataVolume that is not complete. */
  readonly beingFilled: boolean;
  /** What to do while there are writers. */
  readonly inUse: InUse;
}

/** How the clone is to be made. */
export type Choice =
  | {
      readonly by: 'record';
      readonly strategy: Strategy;
      readonly target: TargetClaim;
      /** The VolumeSnapshotClass for a snapshot of the source; undefined when there is none. */
      readonly snapshotClass?: string;
    }
  /** Nothing was decided at admission, so it is decided now. */
  | { readonly by: 'now'; readonly decision: Decision }
  | { readonly by: 'nobody'; readonly message: string };

export function observe(
  stores: Stores,
  volume: Stored<DataVolume>,
  stamp: Verification,
  policy: ExecutionPolicy,
  present: Present,
  sharing?: Pick<Sharing, 'companyOf'>,
): Observed {
  const standing = standingOf(volume.metadata.annotations);
  const source = stamp.valid
    ? sourceState(stores, volume, { ...uidIn(standing), ...stamp.source }, standing?.strategy)
    : undefined;
  const claim = stores.claims.get(keyOf(volume.metadata));
  const choice: Choice =
    source === undefined
      ? { by: 'nobody', message: 'without a valid stamp nothing is chosen' }
      : choose(stores, volume, source, policy, standing);
  const children = ofSource(childrenOf(stores, volume.metadata.uid), volume.metadata.uid, source?.ref);
  const filled = stores.persistentVolumes.get(children.temporary?.spec?.volumeName ?? '');
  const mounted = mountedOf(stores, [claim, children.temporary]);
  const { helperImage } = policy;
  return {
    volume,
    stamp,
    claim,
    source,
    choice,
    closed: source === undefined ? undefined : stores.closed(source.ref.namespace),
    bindsLate: bindsLate(stores, claim),
    children,
    // Who has a snapshot looks for nobody to take one with.
    company: children.snapshot === undefined ? companyOf(volume, source, choice, sharing) : nobody,
    filled,
    mounted,
    helperImage,
    copying: {
      policy: policy.copy,
      history: historyOf(volume),
      places: present.places ?? anywhere,
      restore: restoreOf(stores, present.content),
      restoredLate: bindsLate(stores, children.restored),
    },
    now: present.now,
  };
}

/** As CDI does it (cdi-behaviour 3.4): the first class of the driver, by name. */
function restoreOf({ storageClasses }: Stores, content: VolumeSnapshotContent | undefined): Restore | undefined {
  const { driver, sourceVolumeMode: mode } = content?.spec ?? {};
  if (driver === undefined) return undefined;
  const [storageClass] = storageClasses
    .list()
    .filter(({ provisioner }) => provisioner === driver)
    .toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  return {
    driver,
    volumeMode: mode === 'Block' || mode === 'Filesystem' ? mode : undefined,
    storageClassName: storageClass?.metadata.name,
  };
}

function uidIn(standing: Standing | undefined): { readonly uid?: string } {
  const uid = standing?.record.sourceUid;
  return uid === undefined ? {} : { uid };
}

function companyOf(
  volume: Stored<DataVolume>,
  source: SourceState | undefined,
  choice: Choice,
  sharing: Pick<Sharing, 'companyOf'> | undefined,
): Company {
  if (sharing === undefined || source?.claim === undefined || choice.by !== 'record') return nobody;
  const { snapshotClass } = choice;
  return snapshotClass === undefined ? nobody : sharing.companyOf({ volume, source: source.claim, snapshotClass });
}

function mountedOf(
  stores: Stores,
  claims: readonly (Stored<PersistentVolumeClaim> | undefined)[],
): ReadonlySet<string> {
  const keys = claims.flatMap((claim) => (claim === undefined ? [] : [keyOf(claim.metadata)]));
  return new Set(keys.filter((key) => writersOf(stores, key).length > 0));
}

/** A snapshot: nobody writes to it. */
const untouched = { writers: [], beingFilled: false, inUse: { rule: 'wait' } } as const;

function sourceState(
  stores: Stores,
  volume: DataVolume,
  ref: CloneSource & { readonly uid?: string },
  strategy: Strategy | undefined,
): SourceState {
  const key = keyOf(ref);
  if (ref.kind === 'VolumeSnapshot')
    return { ref, claim: undefined, snapshot: stores.snapshots.get(key), ...untouched };
  const claim = stores.claims.get(key);
  const writers = claim === undefined ? [] : writersOf(stores, key).map(({ metadata }) => keyOf(metadata));
  return {
    ref,
    claim,
    snapshot: undefined,
    writers: writers.toSorted(),
    beingFilled: claim !== undefined && beingFilled(stores, claim),
    inUse: inUseRule(stores, volume, claim, strategy),
  };
}

function beingFilled({ volumes }: Stores, claim: PersistentVolumeClaim): boolean {
  const owner = controllerOf(claim);
  if (owner?.kind !== 'DataVolume') return false;
  const filler = volumes.get(keyOf({ namespace: claim.metadata.namespace ?? '', name: owner.name }));
  return filler !== undefined && filler.metadata.uid === owner.uid && filler.status?.phase !== 'Succeeded';
}

function choose(
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

function bindsLate(stores: Stores, claim: PersistentVolumeClaim | undefined): boolean {
  const name = claim?.spec?.storageClassName ?? undefined;
  const storageClass = name === undefined ? undefined : stores.storageClasses.get(name);
  return storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
}

/**
 * The target claim, when it is ours: controlled by this very DataVolume, and made from something that we make such claims from. Which of
 * these it has to be depends on the strategy.
 */
export function ownClaim(o: Observed): Stored<PersistentVolumeClaim> | undefined {
  const { volume, claim, source } = o;
  if (claim === undefined || controllerOf(claim)?.uid !== volume.metadata.uid) return undefined;
  if (source === undefined) return claim;
  const made = [fromSource(source), fromVolume(o)].some((from) => isFrom(claim, from)) || isRestored(claim);
  return made ? claim : undefined;
}

/** From a snapshot that was taken on the way of a clone, of this one or of one that it shared with; it may be gone by now. */
function isRestored({ spec }: PersistentVolumeClaim): boolean {
  const { kind, name = '' } = spec?.dataSourceRef ?? spec?.dataSource ?? {};
  return kind === volumeSnapshots.kind && isSnapshotName(name);
}

/** The source itself, for a claim beside it. */
export function fromSource({ ref: { kind, name } }: SourceState): TypedLocalReference {
  return kind === 'VolumeSnapshot' ? { apiGroup: volumeSnapshots.group, kind, name } : { kind, name };
}

/** The snapshot that was, or will be, taken of the source. */
export function fromSnapshot({ volume, children }: Observed): TypedLocalReference {
  const { group, kind } = volumeSnapshots;
  return { apiGroup: group, kind, name: children.snapshot?.metadata.name ?? snapshotName(volume.metadata.uid) };
}

/**
 * The DataVolume: a claim that waits for a volume to be handed over. No provisioner knows such a source, so none makes an empty volume
 * for it in the meantime, and the scheduler still chooses a node for its first consumer.
 */
export function fromVolume({ volume }: Observed): TypedLocalReference {
  const { group, kind } = dataVolumes;
  return { apiGroup: group, kind, name: volume.metadata.name };
}

/** Whichever of the two the source is, when it exists. */
export function sourceObject(source: SourceState | undefined): Stored<KubeObject> | undefined {
  return source?.claim ?? source?.snapshot;
}

/** Bytes that a claim's volume has; undefined when it does not say. */
export function capacityOf(claim: PersistentVolumeClaim | undefined): bigint | undefined {
  const text = claim?.status?.capacity?.['storage'];
  return text === undefined ? undefined : parseQuantity(text);
}

/** Bytes that a snapshot's volume has; undefined when it does not say. Some drivers report 0 for that. */
export function restoreSizeOf(snapshot: VolumeSnapshot | undefined): bigint | undefined {
  const text = snapshot?.status?.restoreSize;
  const size = text === undefined ? 0n : parseQuantity(text);
  return size > 0n ? size : undefined;
}

/** Bytes that the DataVolume asks for; undefined when they are to be the source's. */
export function wantedOf({ choice }: Observed): bigint | undefined {
  return choice.by === 'record' ? choice.target.requested : undefined;
}

/** Bytes that a claim asks for. */
export function requestOf(claim: PersistentVolumeClaim): bigint {
  return parseQuantity(claim.spec?.resources?.requests?.['storage'] ?? '0');
}

/** The target claim's name: that of the DataVolume, as CDI has it. */
export function targetRef({ metadata }: Stored<DataVolume>): ObjectRef {
  return { namespace: metadata.namespace ?? '', name: metadata.name };
}
