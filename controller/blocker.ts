import { keyOf, type ObjectReference, refOf } from '../shared/api/objects.ts';
import { apiVersionOf, pods } from '../shared/kube/resource.ts';
import type { Observed } from './observed.ts';
import type { Wait } from './steps/step.ts';

/**
 * The object whose events tell why a clone does not go on; undefined where there is none, or where its events are not the business of
 * the DataVolume's owner: who may clone from another namespace may not therefore read what happens to the claims and pods in it.
 */
export function blockerOf(o: Observed, wait: Wait): ObjectReference | undefined {
  const object = wait.on ?? (wait.reason === 'CloneSourceInUse' ? firstWriter(o) : undefined);
  const { temporary, restored, snapshot, helpers, copyPod, exportPod } = o.children;
  const children = [temporary, restored, snapshot, copyPod, exportPod, ...helpers].map((child) => child?.metadata.uid);
  const ours = object?.uid !== undefined && children.includes(object.uid);
  return ours || object?.namespace === o.volume.metadata.namespace ? object : undefined;
}

function firstWriter({ source }: Observed): ObjectReference | undefined {
  const [key] = source?.writers ?? [];
  return key === undefined ? undefined : { apiVersion: apiVersionOf(pods), kind: pods.kind, ...refOf(key) };
}

/** `Kind namespace/name`. */
export function nameOf({ kind = '', namespace = '', name = '' }: ObjectReference): string {
  return `${kind} ${keyOf({ namespace, name })}`;
}
