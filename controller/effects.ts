import type { KubeObject, ObjectRef } from '../shared/api/objects.ts';
import type { Resource } from '../shared/kube/resource.ts';

/** What is to be written, as plain data. A step says it, `apply` does it, and a test can look at it in between. */
export type Effect = CreateEffect | PatchEffect | DeleteEffect;

export interface CreateEffect {
  readonly kind: 'create';
  readonly resource: Resource<KubeObject>;
  readonly object: KubeObject;
  /** An object that exists already under the name counts as ours only when it belongs to the DataVolume of this uid. */
  readonly ownerUid: string;
  /** Of a Secret: the entry that the writer puts a new key into. No plan knows a key. */
  readonly newKey?: string;
  /** Nothing but this is ever done with it, nor is it looked at: what exists under the name is taken for it. */
  readonly unseen?: true;
  /** What it is needed for, where that is not plain: for people, when it is refused. */
  readonly because?: string;
}

export interface PatchEffect {
  readonly kind: 'patch';
  readonly resource: Resource<KubeObject>;
  readonly ref: ObjectRef;
  /** The object that was looked at: an older or another one is not patched. */
  readonly uid: string;
  readonly resourceVersion: string;
  /** RFC 7396. */
  readonly patch: object;
  readonly subresource?: 'status';
}

export interface DeleteEffect {
  readonly kind: 'delete';
  readonly resource: Resource<KubeObject>;
  readonly ref: ObjectRef;
  /** Another object of the name stays. */
  readonly uid: string;
  /** Where what was looked at matters: what has changed since stays, too. */
  readonly resourceVersion?: string;
}
