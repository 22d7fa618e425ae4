import type { ObjectMeta, Pod, PodContainer, Stored } from './objects.ts';

/** Which claims pods write to. A pod that only reads the source does not disturb a clone (cdi-behaviour 3.2, "Use rule"). */

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];

/** Names of the claims, in the pod's namespace, that the pod may write to now or later. */
export function claimsWrittenBy(pod: Pod): readonly string[] {
  const { phase } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed') return [];
  const names = (pod.spec?.volumes ?? [])
    .filter((volume) => mayWrite(pod, volume))
    .map((volume) => claimName(pod.metadata, volume))
    .filter((name) => name !== undefined);
  return [...new Set(names)];
}

/** What the rule above needs of a pod and no more: clusters have many pods, and nearly all of a pod is about other things. */
export function leanPod(pod: Stored<Pod>): Stored<Pod> {
  const { name, namespace = '', uid, resourceVersion } = pod.metadata;
  const volumes = (pod.spec?.volumes ?? []).filter((volume) => claimName(pod.metadata, volume) !== undefined);
  const metadata = { name, namespace, uid, resourceVersion };
  if (volumes.length === 0) return { metadata };
  return {
    metadata,
    spec: { volumes: volumes.map(leanVolume), containers: containersOf(pod).map(leanContainer) },
    ...(pod.status?.phase === undefined ? {} : { status: { phase: pod.status.phase } }),
  };
}

function leanVolume({ name, persistentVolumeClaim, ephemeral }: Volume): Volume {
  if (persistentVolumeClaim === undefined) return { name, ...(ephemeral === undefined ? {} : { ephemeral: {} }) };
  const { claimName: claim, readOnly = false } = persistentVolumeClaim;
  return { name, persistentVolumeClaim: { claimName: claim, readOnly } };
}

function leanContainer({ name, volumeMounts = [], volumeDevices = [] }: PodContainer): PodContainer {
  return {
    name,
    volumeMounts: volumeMounts.map((mount) => ({ name: mount.name, readOnly: mount.readOnly === true })),
    volumeDevices: volumeDevices.map((device) => ({ name: device.name })),
  };
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
