import type { ContentType } from '../api/datavolume.ts';
import type { Strategy } from '../api/names.ts';
import type { VolumeMode } from '../api/objects.ts';

/**
 * All that the choice of a strategy depends on, as plain data. Whoever decides gathers these first; the decision itself reads nothing
 * else, so the same facts always give the same answer, at admission, in the controller and in a dry run.
 */
export interface CloneFacts {
  readonly source: SourceFacts;
  readonly target: TargetFacts;
  readonly policy: PolicyFacts;
}

export interface SourceFacts {
  readonly kind: 'PersistentVolumeClaim' | 'VolumeSnapshot';
  readonly namespace: string;
  readonly name: string;
  readonly state: 'missing' | 'unbound' | 'ready';
  readonly contentType: ContentType;
  /** Bytes that the source's owner asked for. */
  readonly requested?: bigint;
  /** Bytes that the volume really has (a snapshot: its restoreSize). */
  readonly capacity?: bigint;
  /** Undefined when a snapshot does not tell. */
  readonly volumeMode?: VolumeMode;
  readonly storageClass?: string;
  /** The driver that serves the source. */
  readonly provisioner?: string;
  /** Somebody in charge of the source lets nobody clone it. */
  readonly veto?: Veto;
}

export interface Veto {
  /** What says so, for messages: the source itself, or its namespace. */
  readonly by: string;
  /** Where the DataVolume names the source. */
  readonly field: string;
}

export interface TargetFacts {
  readonly namespace: string;
  readonly contentType: ContentType;
  readonly volumeMode: VolumeMode;
  /** Bytes of the volume asked for; undefined when the size is the source's. */
  readonly requested?: bigint;
  /** Bytes in the user's own words, where these are bytes of content: a filesystem's share is in `requested` only. */
  readonly payload?: bigint;
  /** Bytes of the smallest volume that the storage makes; a smaller one becomes as large. */
  readonly smallest?: bigint;
  /** Path of the size in the DataVolume, for messages. */
  readonly sizeField: string;
  /** Name of the class asked for or the default; undefined when none is named and there is no default. */
  readonly storageClassName?: string;
  /** The one strategy that the user wants; nothing else will do. */
  readonly wanted?: Strategy;
  /** Undefined when the class does not exist. */
  readonly storage?: StorageFacts;
}

/** What the storage behind the target's class can do. */
export interface StorageFacts {
  readonly provisioner: string;
  readonly allowVolumeExpansion: boolean;
  /** A CSIDriver object of the provisioner's name exists. */
  readonly csiDriver: boolean;
  readonly preferred: Preference;
  /** Strategies that the class's administrator lets be used; undefined when nothing is said. */
  readonly allowed?: readonly Strategy[];
  /** The cluster serves snapshot.storage.k8s.io/v1. */
  readonly snapshotAPI: boolean;
  /** The VolumeSnapshotClass that would be used. */
  readonly snapshotClass?: string;
}

export interface Preference {
  readonly strategy: Strategy;
  /** Who says so, for messages. */
  readonly by: string;
}

/** What the administrator set for all clones. */
export interface PolicyFacts {
  /** csi-clone and snapshot only within one StorageClass. */
  readonly sameStorageClass: boolean;
  /** Goes before what any StorageProfile or StorageClass prefers. */
  readonly override?: Strategy;
}

/** From the settings that both programs have. */
export function policyFactsOf(settings: {
  readonly sameStorageClass: boolean;
  readonly cloneStrategyOverride: Strategy | 'none';
}): PolicyFacts {
  const { sameStorageClass, cloneStrategyOverride: override } = settings;
  return { sameStorageClass, ...(override === 'none' ? {} : { override }) };
}

/** Facts about clones whose source and class are both known: what the candidates' rules may ask. */
export interface KnownFacts extends CloneFacts {
  readonly target: TargetFacts & { readonly storage: StorageFacts; readonly storageClassName: string };
}
