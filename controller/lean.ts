import { annotations, labels } from '../shared/api/names.ts';
import type {
  ObjectMeta,
  PersistentVolume,
  PersistentVolumeClaim,
  Stored,
  VolumeSnapshot,
} from '../shared/api/objects.ts';
import type { Pod, PodStatus } from '../shared/api/pod.ts';
import { type PodUse, useOf } from '../shared/api/pods.ts';

/** What is kept of an object in memory: what is read here, and no more. Clusters have tens of thousands of each kind. */

type Meta = Stored<PersistentVolume>['metadata'];

/** Annotations that are read here. Others may be long (last-applied-configuration). */
const readAnnotations: ReadonlySet<string> = new Set([
  annotations.contentType,
  annotations.createdForDataVolume,
  annotations.populatedFor,
  annotations.selectedNode,
  annotations.reclaimPolicy,
  annotations.snapshotFor,
  annotations.copied,
  annotations.copyAttempt,
  annotations.copiesInto,
  annotations.avoidsNodes,
]);
const readLabels: ReadonlySet<string> = new Set([labels.ownerUid, labels.managedBy, labels.copyRole]);

export function leanClaim({ metadata, spec, status }: Stored<PersistentVolumeClaim>): Stored<PersistentVolumeClaim> {
  return { metadata: leanMeta(metadata), ...present({ spec, status }) };
}

export function leanVolume({ metadata, spec = {}, status }: Stored<PersistentVolume>): Stored<PersistentVolume> {
  const { claimRef, capacity, persistentVolumeReclaimPolicy } = spec;
  return {
    metadata: leanMeta(metadata),
    spec: present({ claimRef: claimRef && leanReference(claimRef), capacity, persistentVolumeReclaimPolicy }),
    ...(status?.phase === undefined ? {} : { status: { phase: status.phase } }),
  };
}

function leanReference({ namespace, name, uid }: NonNullable<NonNullable<PersistentVolume['spec']>['claimRef']>) {
  return present({ namespace, name, uid });
}

export function leanSnapshot({ metadata, spec = {}, status = {} }: Stored<VolumeSnapshot>): Stored<VolumeSnapshot> {
  const { volumeSnapshotClassName, source } = spec;
  const { readyToUse, restoreSize, boundVolumeSnapshotContentName, error } = status;
  return {
    metadata: leanMeta(metadata),
    spec: present({ volumeSnapshotClassName, source }),
    status: present({ readyToUse, restoreSize, boundVolumeSnapshotContentName, error }),
  };
}

/** What is known of a pod: of every one whom it may disturb, and of our own also where they are, and what becomes of them. */
export interface KnownPod extends PodUse {
  readonly spec?: Pick<NonNullable<Pod['spec']>, 'nodeName' | 'volumes'>;
  readonly status?: PodStatus;
}

export function knownPod(pod: Stored<Pod>): Stored<KnownPod> {
  const use = useOf(pod);
  const { metadata, spec = {}, status } = pod;
  if (metadata.labels?.[labels.ownerUid] === undefined) return use;
  const { labels: marks, annotations: notes, deletionTimestamp } = leanMeta(metadata);
  const { nodeName, volumes } = spec;
  return {
    ...use,
    metadata: { ...use.metadata, ...present({ labels: marks, annotations: notes, deletionTimestamp }) },
    spec: present({ nodeName, volumes }),
    ...(status === undefined ? {} : { status: leanStatus(status) }),
  };
}

/** Those that tell why a pod does not run, and who ended it. */
const readConditions: ReadonlySet<string> = new Set(['PodScheduled', 'DisruptionTarget']);

function leanStatus({ phase, reason, message, podIP, conditions, containerStatuses }: PodStatus): PodStatus {
  return present({
    phase,
    reason,
    message,
    podIP,
    conditions: conditions?.filter(({ type }) => readConditions.has(type)),
    containerStatuses: containerStatuses?.map(({ name, state }) => ({ name, ...present({ state }) })),
  });
}

function leanMeta(metadata: Meta): Meta {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, ownerReferences } = metadata;
  const kept = {
    deletionTimestamp,
    ownerReferences,
    annotations: some(metadata.annotations, readAnnotations),
    labels: some(metadata.labels, readLabels),
  } satisfies Partial<Record<keyof ObjectMeta, unknown>>;
  return { name, uid, resourceVersion, ...present({ namespace, ...kept }) };
}

/** The entries of the given keys; undefined when there are none. */
function some(
  entries: Readonly<Record<string, string>> | undefined,
  keys: ReadonlySet<string>,
): Readonly<Record<string, string>> | undefined {
  const kept = Object.entries(entries ?? {}).filter(([key]) => keys.has(key));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** Without the fields that have no value: a field that is there costs memory in every object. */
function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  // Only entries were left out, and those are the optional ones.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
