import { annotations } from './names.ts';
import type { ClaimSpec, KubeObject } from './objects.ts';

/** cdi.kubevirt.io/v1beta1 DataVolume and DataSource: the subset that concerns clones, and how to read it. */

export interface SourceRef {
  readonly namespace?: string;
  readonly name: string;
}

export interface DataVolumeSpec {
  readonly source?: { readonly pvc?: SourceRef; readonly snapshot?: SourceRef; readonly [other: string]: unknown };
  readonly sourceRef?: { readonly kind: string; readonly namespace?: string; readonly name: string };
  readonly pvc?: ClaimSpec;
  readonly storage?: ClaimSpec;
  readonly contentType?: string;
  readonly preallocation?: boolean;
  readonly priorityClassName?: string;
}

export type ConditionStatus = 'True' | 'False' | 'Unknown';

export interface DataVolumeCondition {
  readonly type: 'Bound' | 'Ready' | 'Running';
  readonly status: ConditionStatus;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
  readonly lastHeartbeatTime?: string;
}

/** The phases we set; CDI's names (cdi-behaviour 4.1), so that KubeVirt and people's scripts keep working. */
export type Phase =
  | ''
  | 'Pending'
  | 'WaitForFirstConsumer'
  | 'PendingPopulation'
  | 'CloneScheduled'
  | 'CSICloneInProgress'
  | 'SnapshotForSmartCloneInProgress'
  | 'CloneFromSnapshotSourceInProgress'
  | 'CloneInProgress'
  | 'PrepClaimInProgress'
  | 'RebindInProgress'
  | 'Succeeded'
  | 'Failed'
  | 'Unknown';

export interface DataVolumeStatus {
  readonly phase?: string;
  readonly progress?: string;
  readonly claimName?: string;
  readonly restartCount?: number;
  readonly conditions?: readonly DataVolumeCondition[];
}

export interface DataVolume extends KubeObject {
  readonly spec: DataVolumeSpec;
  readonly status?: DataVolumeStatus;
}

export interface DataSource extends KubeObject {
  readonly spec: {
    readonly source?: { readonly pvc?: SourceRef; readonly snapshot?: SourceRef; readonly dataSource?: SourceRef };
  };
  readonly status?: { readonly source?: { readonly pvc?: SourceRef; readonly snapshot?: SourceRef } };
}

/** The object whose bytes are to be cloned. */
export interface CloneSource {
  readonly kind: 'PersistentVolumeClaim' | 'VolumeSnapshot';
  readonly namespace: string;
  readonly name: string;
}

/**
 * The source that the spec itself names; an empty namespace is the DataVolume's own. `undefined` for a `sourceRef` (where that leads is
 * looked up once, at admission) and for what is no clone.
 */
export function namedSource({ spec, metadata }: DataVolume): CloneSource | undefined {
  const { pvc, snapshot } = spec.source ?? {};
  const named = pvc ?? snapshot;
  if (named === undefined) return undefined;
  const kind = pvc === undefined ? 'VolumeSnapshot' : 'PersistentVolumeClaim';
  return { kind, namespace: orOwn(named.namespace, metadata.namespace), name: named.name };
}

/** The DataSource that the spec names; an empty namespace is the DataVolume's own. */
export function namedDataSource({ spec, metadata }: DataVolume): Required<SourceRef> | undefined {
  const { sourceRef } = spec;
  if (sourceRef === undefined) return undefined;
  return { namespace: orOwn(sourceRef.namespace, metadata.namespace), name: sourceRef.name };
}

function orOwn(namespace: string | undefined, own = ''): string {
  return namespace === undefined || namespace === '' ? own : namespace;
}

export type ContentType = 'kubevirt' | 'archive';

/** `spec.contentType`, which is `kubevirt` (one disk image) unless it says `archive`. */
export function contentTypeOf(volume: DataVolume): ContentType {
  return volume.spec.contentType === 'archive' ? 'archive' : 'kubevirt';
}

/** The claim that the DataVolume asks for, from `spec.pvc` or `spec.storage`. */
export function claimOf(volume: DataVolume): ClaimSpec | undefined {
  return volume.spec.pvc ?? volume.spec.storage;
}

/** Content of a claim by its annotation; CDI's default is `kubevirt`. */
export function contentTypeOfClaim(claim: KubeObject): ContentType {
  return claim.metadata.annotations?.[annotations.contentType] === 'archive' ? 'archive' : 'kubevirt';
}

/**
 * Whether the DataVolume takes over a volume that exists already, so that in spite of its source nothing need be cloned. It is the annotation
 * that counts, whatever its value, as for CDI (cdi-behaviour 1.2).
 */
export function takesExistingVolume({ metadata }: Pick<DataVolume, 'metadata'>): boolean {
  return existingVolume.some((key) => Object.hasOwn(metadata.annotations ?? {}, key));
}

/** The annotations by which {@link takesExistingVolume} goes. */
export const existingVolume = [annotations.prePopulated, annotations.checkStaticVolume] as const;

/** Whether the object is a clone at all: it names a claim, a snapshot or a DataSource to copy from. */
export function isClone(volume: DataVolume): boolean {
  const { source, sourceRef } = volume.spec;
  return sourceRef !== undefined || source?.pvc !== undefined || source?.snapshot !== undefined;
}
