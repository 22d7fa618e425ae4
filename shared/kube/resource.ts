import type { DataSource, DataVolume } from '../api/datavolume.ts';
import { groups } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type {
  ConfigMap,
  CSIDriver,
  Event,
  KubeObject,
  Lease,
  LimitRange,
  ObjectRef,
  PersistentVolume,
  PersistentVolumeClaim,
  ResourceQuota,
  Secret,
  StorageClass,
  StorageProfile,
  SubjectAccessReview,
  VolumeSnapshot,
  VolumeSnapshotClass,
  VolumeSnapshotContent,
  WebhookConfiguration,
} from '../api/objects.ts';
import type { Pod } from '../api/pod.ts';

/** One row for each kind that we talk to the API server about; everything that needs a path takes a row, never a string. */
export interface Resource<T extends KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Objects come without spec and status: lists and watches ask the API server to leave them out. */
  readonly metadataOnly?: true;
  /** Carries the object type and nothing else; never set. */
  readonly type?: T;
}

function resource<T extends KubeObject>(
  group: string,
  version: string,
  kind: string,
  plural: string,
  namespaced = true,
): Resource<T> {
  return { group, version, kind, plural, namespaced };
}

export const claims = resource<PersistentVolumeClaim>('', 'v1', 'PersistentVolumeClaim', 'persistentvolumeclaims');
export const persistentVolumes = resource<PersistentVolume>('', 'v1', 'PersistentVolume', 'persistentvolumes', false);
export const namespaces = resource<KubeObject>('', 'v1', 'Namespace', 'namespaces', false);
export const pods = resource<Pod>('', 'v1', 'Pod', 'pods');
export const resourceQuotas = resource<ResourceQuota>('', 'v1', 'ResourceQuota', 'resourcequotas');
export const limitRanges = resource<LimitRange>('', 'v1', 'LimitRange', 'limitranges');
export const dataVolumes = resource<DataVolume>(groups.cdi, 'v1beta1', 'DataVolume', 'datavolumes');
export const dataSources = resource<DataSource>(groups.cdi, 'v1beta1', 'DataSource', 'datasources');
export const storageProfiles = resource<StorageProfile>(
  groups.cdi,
  'v1beta1',
  'StorageProfile',
  'storageprofiles',
  false,
);
export const storageClasses = resource<StorageClass>(groups.storage, 'v1', 'StorageClass', 'storageclasses', false);
export const csiDrivers = resource<CSIDriver>(groups.storage, 'v1', 'CSIDriver', 'csidrivers', false);
export const volumeSnapshots = resource<VolumeSnapshot>(groups.snapshot, 'v1', 'VolumeSnapshot', 'volumesnapshots');
export const volumeSnapshotClasses = resource<VolumeSnapshotClass>(
  groups.snapshot,
  'v1',
  'VolumeSnapshotClass',
  'volumesnapshotclasses',
  false,
);
export const volumeSnapshotContents = resource<VolumeSnapshotContent>(
  groups.snapshot,
  'v1',
  'VolumeSnapshotContent',
  'volumesnapshotcontents',
  false,
);
export const subjectAccessReviews = resource<SubjectAccessReview>(
  groups.authorization,
  'v1',
  'SubjectAccessReview',
  'subjectaccessreviews',
  false,
);
/** The same question, put within the namespace that it is about. */
export const localSubjectAccessReviews = resource<SubjectAccessReview>(
  groups.authorization,
  'v1',
  'LocalSubjectAccessReview',
  'localsubjectaccessreviews',
);
export const leases = resource<Lease>(groups.coordination, 'v1', 'Lease', 'leases');
/** Only scaled. */
export const deployments = resource<KubeObject>(groups.apps, 'v1', 'Deployment', 'deployments');
export const secrets = resource<Secret>('', 'v1', 'Secret', 'secrets');
export const networkPolicies = resource<NetworkPolicy>(groups.networking, 'v1', 'NetworkPolicy', 'networkpolicies');
export const configMaps = resource<ConfigMap>('', 'v1', 'ConfigMap', 'configmaps');
export const mutatingConfigurations = resource<WebhookConfiguration>(
  groups.admission,
  'v1',
  'MutatingWebhookConfiguration',
  'mutatingwebhookconfigurations',
  false,
);
export const validatingConfigurations = resource<WebhookConfiguration>(
  groups.admission,
  'v1',
  'ValidatingWebhookConfiguration',
  'validatingwebhookconfigurations',
  false,
);
export const events = resource<Event>(groups.events, 'v1', 'Event', 'events');

/** The same kind, as far as its metadata goes: names, owners, labels and annotations of many objects for a fraction of the bytes. */
export function metadataOf(kind: Resource<KubeObject>): Resource<KubeObject> {
  const { group, version, plural, namespaced } = kind;
  return { group, version, plural, kind: kind.kind, namespaced, metadataOnly: true };
}

/** `v1` or `group/version`, as `apiVersion` has it. */
export function apiVersionOf(kind: Resource<KubeObject>): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** URL path of the collection (no name) or of one object, optionally of its subresource. Every segment is escaped. */
export function pathOf(kind: Resource<KubeObject>, ref: Partial<ObjectRef> = {}, subresource?: string): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const namespace = kind.namespaced && ref.namespace !== undefined ? ['namespaces', ref.namespace] : [];
  const name = ref.name === undefined ? [] : [ref.name];
  const segments = [...namespace, kind.plural, ...name, ...(subresource === undefined ? [] : [subresource])];
  return [root, ...segments.map(encodeURIComponent)].join('/');
}
