/**
 * The parts of Kubernetes objects that we read. All fields of a spec or status are optional: an object from the API server may be of
 * any age and from any writer, and the types make us look before we use.
 */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

/** An object as it comes from the API server: it has a name, a uid and a version. */
export type Stored<T extends KubeObject> = T & {
  readonly metadata: ObjectMeta & { readonly name: string; readonly uid: string; readonly resourceVersion: string };
};

/** Name and (for namespaced kinds) namespace of one object. */
export interface ObjectRef {
  readonly namespace?: string;
  readonly name: string;
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of stores and queues, and how objects are named to people. */
export function keyOf(ref: ObjectRef): string {
  return ref.namespace === undefined || ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}`;
}

/** The inverse of {@link keyOf}. */
export function refOf(key: string): ObjectRef {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The owner reference marked `controller: true`, if there is one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

export type VolumeMode = 'Filesystem' | 'Block';
export type AccessMode = 'ReadWriteOnce' | 'ReadOnlyMany' | 'ReadWriteMany' | 'ReadWriteOncePod';

export interface TypedLocalReference {
  readonly apiGroup?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface ClaimSpec {
  readonly accessModes?: readonly string[];
  readonly storageClassName?: string | null;
  readonly volumeMode?: string;
  readonly volumeName?: string;
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
  };
  readonly selector?: unknown;
  readonly dataSource?: TypedLocalReference;
  readonly dataSourceRef?: TypedLocalReference;
}

export interface PersistentVolumeClaim extends KubeObject {
  readonly spec?: ClaimSpec;
  readonly status?: {
    readonly phase?: string;
    readonly capacity?: Readonly<Record<string, string>>;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

export interface StorageClass extends KubeObject {
  readonly provisioner: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly allowVolumeExpansion?: boolean;
  readonly volumeBindingMode?: string;
}

export type CSIDriver = KubeObject;

/** The claim that a volume is (to be) bound to; without a uid, any claim of that name. */
export interface ClaimReference {
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
}

export interface PersistentVolume extends KubeObject {
  readonly spec?: {
    readonly claimRef?: ClaimReference;
    readonly capacity?: Readonly<Record<string, string>>;
    readonly persistentVolumeReclaimPolicy?: string;
  };
  readonly status?: { readonly phase?: string };
}

export interface VolumeSnapshot extends KubeObject {
  readonly spec?: {
    readonly volumeSnapshotClassName?: string;
    readonly source?: { readonly persistentVolumeClaimName?: string; readonly volumeSnapshotContentName?: string };
  };
  readonly status?: {
    readonly readyToUse?: boolean;
    readonly restoreSize?: string;
    readonly boundVolumeSnapshotContentName?: string;
    readonly error?: { readonly message?: string };
  };
}

/** What a snapshot is bound to: the driver's side of it. */
export interface VolumeSnapshotContent extends KubeObject {
  readonly spec?: {
    readonly driver?: string;
    readonly sourceVolumeMode?: string;
    readonly volumeSnapshotRef?: { readonly namespace?: string; readonly name?: string; readonly uid?: string };
  };
}

export interface VolumeSnapshotClass extends KubeObject {
  readonly driver: string;
}

interface ClaimPropertySet {
  readonly accessModes?: readonly string[];
  readonly volumeMode?: string;
}

export interface StorageProfile extends KubeObject {
  readonly spec?: {
    readonly cloneStrategy?: string;
    readonly snapshotClass?: string;
    readonly claimPropertySets?: readonly ClaimPropertySet[];
  };
  readonly status?: {
    readonly cloneStrategy?: string;
    readonly snapshotClass?: string;
    readonly provisioner?: string;
    readonly storageClass?: string;
    readonly claimPropertySets?: readonly ClaimPropertySet[];
  };
}

/** authorization.k8s.io/v1: a question about a user's right; the API server answers in `status`. */
export interface SubjectAccessReview extends KubeObject {
  readonly spec: {
    readonly user?: string;
    readonly uid?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
    readonly resourceAttributes?: {
      readonly group?: string;
      readonly version?: string;
      readonly resource?: string;
      readonly subresource?: string;
      readonly verb?: string;
      readonly namespace?: string;
      readonly name?: string;
    };
  };
  readonly status?: {
    readonly allowed?: boolean;
    readonly denied?: boolean;
    readonly reason?: string;
    readonly evaluationError?: string;
  };
}

/** Times of leases and events are `metav1.MicroTime` texts, as `microTime` writes them. */
export interface Lease extends KubeObject {
  readonly spec?: {
    /** Empty when the last holder let go of it. */
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** One object that an event is about. */
export interface ObjectReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
}

/** events.k8s.io/v1. Everything but `series` is fixed once it is created. */
export interface Event extends KubeObject {
  readonly eventTime: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
  readonly regarding: ObjectReference;
  readonly related?: ObjectReference;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
  /** Of events that were written through the core API; the time of the last occurrence. */
  readonly deprecatedLastTimestamp?: string | null;
}

type Amounts = Readonly<Record<string, string>>;

export interface ResourceQuota extends KubeObject {
  readonly spec?: { readonly hard?: Amounts; readonly scopes?: readonly string[]; readonly scopeSelector?: unknown };
  readonly status?: { readonly hard?: Amounts; readonly used?: Amounts };
}

export interface LimitRange extends KubeObject {
  readonly spec?: {
    readonly limits?: readonly { readonly type: string; readonly min?: Amounts; readonly max?: Amounts }[];
  };
}

export interface Secret extends KubeObject {
  readonly type?: string;
  readonly immutable?: boolean;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** MutatingWebhookConfiguration or ValidatingWebhookConfiguration, as far as whom the API server trusts is concerned. */
export interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly {
    readonly name: string;
    readonly clientConfig: {
      /** Base64 of certificates in PEM. */
      readonly caBundle?: string;
    };
  }[];
}
