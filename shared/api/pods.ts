import { type KubeObject, keyOf, type ObjectMeta, type Stored } from './objects.ts';
import type { Pod, PodContainer } from './pod.ts';

/** Which claims pods write to. A pod that only reads the source does not disturb a clone (cdi-behaviour 3.2, "Use rule"). */

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];

/** Most pods write to none, and then share this. */
const none: readonly string[] = [];

/** Names of the claims, in the pod's namespace, that the pod may write to now or later. */
export function claimsWrittenBy(pod: Pod): readonly string[] {
  if (isOver(pod)) return none;
  const names = (pod.spec?.volumes ?? [])
    .filter((volume) => mayWrite(pod, volume))
    .map((volume) => claimName(pod.metadata, volume))
    .filter((name) => name !== undefined);
  return names.length === 0 ? none : [...new Set(names)];
}

/** Names of the claims, in the pod's namespace, that the pod may read or write, now or later. */
export function claimsUsedBy(pod: Pod): readonly string[] {
  if (isOver(pod)) return none;
  const names = (pod.spec?.volumes ?? []).map((volume) => claimName(pod.metadata, volume));
  return [...new Set(names.filter((name) => name !== undefined))];
}

function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** Of a pod, whom it may disturb, and what it may see. */
export interface PodUse extends KubeObject {
  /** {@link claimsWrittenBy} it. */
  readonly writes: readonly string[];
  /** The others that are {@link claimsUsedBy} it. */
  readonly reads: readonly string[];
}

/** What the rules above say of a pod and no more: clusters have many pods, and nearly all of a pod is about other things. */
export function useOf(pod: Stored<Pod>): Stored<PodUse> {
  const { name, namespace = '', uid, resourceVersion } = pod.metadata;
  const writes = claimsWrittenBy(pod);
  const reads = claimsUsedBy(pod).filter((claim) => !writes.includes(claim));
  return { metadata: { name, namespace, uid, resourceVersion }, writes, reads: reads.length === 0 ? none : reads };
}

/** Keys of the claims that it may write to. */
export function writtenBy({ metadata: { namespace = '' }, writes }: PodUse): readonly string[] {
  return writes.map((name) => keyOf({ namespace, name }));
}

function containersOf({ spec }: Pod): readonly PodContainer[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])];
}

function claimName(pod: ObjectMeta, volume: Volume): string | undefined {
  if (volume.persistentVolumeClaim !== undefined) return volume.persistentVolumeClaim.claimName;
  return volume.ephemeral === undefined ? undefined : `${pod.name ?? ''}-${volume.name}`;
}

/** A block device counts as written: nothing in the pod says that it is only read. */
function mayWrite(pod: Pod, volume: Volume): boolean {
  if (volume.persistentVolumeClaim?.readOnly === true) return false;
  return containersOf(pod).some(
    ({ volumeMounts = [], volumeDevices = [] }) =>
      volumeMounts.some((mount) => mount.name === volume.name && mount.readOnly !== true) ||
      volumeDevices.some((device) => device.name === volume.name),
  );
}
