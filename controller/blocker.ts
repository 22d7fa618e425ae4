import { type KubeObject, keyOf, type ObjectReference, refOf, type Stored } from '../shared/api/objects.ts';
import type { ReasonCode } from '../shared/api/reasons.ts';
import { apiVersionOf, claims, pods, type Resource } from '../shared/kube/resource.ts';
import { type Observed, ownClaim } from './observe.ts';
import type { Wait } from './steps/step.ts';

/**
 * The object whose events tell why a clone does not go on; undefined where there is none, or where its events are not the business of
 * the DataVolume's owner: who may clone from another namespace may not therefore read what happens to the claims and pods in it.
 */
export function blockerOf(o: Observed, wait: Wait): ObjectReference | undefined {
  const object = wait.on ?? guess(o, wait.reason);
  const ours = object?.uid !== undefined && object.uid === wait.on?.uid && wait.atWork === true;
  return ours || object?.namespace === o.volume.metadata.namespace ? object : undefined;
}

const ofSource: ReadonlySet<ReasonCode> = new Set(['CloneSourceNotPopulated', 'SourceNotBound', 'SourceTerminating']);

function guess(o: Observed, reason: ReasonCode): ObjectReference | undefined {
  if (ofSource.has(reason)) return o.source?.claim && referenceTo(claims, o.source.claim);
  if (reason === 'CloneSourceInUse') return podReference(o.source?.writers[0]);
  const own = ownClaim(o);
  return own && referenceTo(claims, own);
}

function podReference(key: string | undefined): ObjectReference | undefined {
  return key === undefined ? undefined : { apiVersion: apiVersionOf(pods), kind: pods.kind, ...refOf(key) };
}

export function referenceTo(resource: Resource<KubeObject>, { metadata }: Stored<KubeObject>): ObjectReference {
  const { namespace, name, uid } = metadata;
  const place = namespace === undefined ? {} : { namespace };
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, ...place, name, uid };
}

/** `Kind namespace/name`. */
export function nameOf({ kind = '', namespace = '', name = '' }: ObjectReference): string {
  return `${kind} ${keyOf({ namespace, name })}`;
}
