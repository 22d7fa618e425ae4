import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import type { Strategy } from '../shared/api/names.ts';
import {
  controllerOf,
  type KubeObject,
  type ObjectRef,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Stored,
  type TypedLocalReference,
  type VolumeMode,
  type VolumeSnapshot,
} from '../shared/api/objects.ts';
import type { Decision } from '../shared/decision/decide.ts';
import type { TargetClaim } from '../shared/decision/target.ts';
import { dataVolumes, volumeSnapshots } from '../shared/kube/resource.ts';
import type { Verification } from './authorize.ts';
import { type Children, isSnapshotName, snapshotName } from './children.ts';
import type { Places } from './copy/places.ts';
import type { CopyPolicy } from './copy/policy.ts';
import type { CopyHistory } from './copy/record.ts';
import type { InUse } from './in-use.ts';
import { isFrom } from './origin.ts';
import type { Company } from './sharing.ts';

/** Everything that the plan for one DataVolume depends on, and what follows from that alone. `observe.ts` reads it from the stores. */

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
  /** Keys of the pods of others that have the temporary claim, or want it, be it to read only; whether or not it is still there. */
  readonly users: readonly string[];
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

/** Bytes that the DataVolume asks for; undefined when they are to be the source's. */
export function wantedOf({ choice }: Observed): bigint | undefined {
  return choice.by === 'record' ? choice.target.requested : undefined;
}

/** The target claim's name: that of the DataVolume, as CDI has it. */
export function targetRef({ metadata }: Stored<DataVolume>): ObjectRef {
  return { namespace: metadata.namespace ?? '', name: metadata.name };
}
