import {
  archiveCapabilities,
  type CopyRole,
  type copyArguments,
  copyKeys,
  copyPaths,
  copyProgram,
  copySockets,
  exportCapabilities,
  podAddressVariable,
  qemuId,
} from '../../../shared/api/copy.ts';
import { contentTypeOf, type DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, labels } from '../../../shared/api/names.ts';
import type { PersistentVolumeClaim, Stored, VolumeMode } from '../../../shared/api/objects.ts';
import type { Pod, PodContainer } from '../../../shared/api/pod.ts';
import { parseQuantity } from '../../../shared/api/quantity.ts';
import { apiVersionOf, pods } from '../../../shared/kube/resource.ts';
import { copyKeyName, copyPodName, exportPodName } from '../../children.ts';
import type { CopyPolicy } from '../../copy/policy.ts';
import { container } from '../../copy/verdict.ts';
import type { CreateEffect } from '../../effects.ts';
import { childMeta, create } from '../parts.ts';

/** What is copied, and how. */
export interface CopyPlan {
  readonly volume: Stored<DataVolume>;
  readonly policy: CopyPolicy;
  readonly from: Stored<PersistentVolumeClaim>;
  readonly to: Stored<PersistentVolumeClaim>;
  /** Bytes that a new disk image is to be given, if that is more than the source's. */
  readonly imageSize: bigint;
  /** Names of nodes that have enough to do. */
  readonly avoids: readonly string[];
  /** Number of the try. */
  readonly attempt: number;
}

/** What a pod does of that. */
interface Part {
  readonly role: CopyRole;
  readonly name: (uid: string) => string;
  readonly has: readonly (keyof typeof copyPaths)[];
  /** Address of the export pod. */
  readonly peer?: string;
}

/** The one that has both volumes and copies the one into the other. */
export function copyPod(plan: CopyPlan): CreateEffect {
  return podFor(plan, { role: 'copy', name: copyPodName, has: ['source', 'destination'] });
}

/** Where no node reaches both: the one that hands the source out. */
export function exportPod(plan: CopyPlan): CreateEffect {
  return podFor(plan, { role: 'export', name: exportPodName, has: ['source'] });
}

/** And the one that copies it into the destination. @param peer IP address of the export pod. */
export function importPod(plan: CopyPlan, peer: string): CreateEffect {
  return podFor(plan, { role: 'import', name: copyPodName, has: ['destination'], peer });
}

function podFor(plan: CopyPlan, part: Part): CreateEffect {
  const { volume, policy, to } = plan;
  const { namespace = '' } = to.metadata;
  const priorityClassName = priorityOf(volume, policy);
  const meta = childMeta(volume, namespace, part.name(volume.metadata.uid));
  const avoids = avoidedBy(plan, part);
  const object: Pod = {
    apiVersion: apiVersionOf(pods),
    kind: pods.kind,
    metadata: { ...meta, labels: { ...meta.labels, ...roleLabel(part.role) }, annotations: notesFor(plan, part) },
    spec: {
      // Whether to try again, when, and where is not for a kubelet to say.
      restartPolicy: 'Never',
      containers: [containerOf(plan, part)],
      volumes: volumesOf(plan, part),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // What is half done is worth nothing, so there is nothing to finish; but its node has to let go of the volumes.
      terminationGracePeriodSeconds: 10,
      securityContext: userFor(volume),
      ...(priorityClassName === '' ? {} : { priorityClassName }),
      ...(Object.keys(policy.nodeSelector).length === 0 ? {} : { nodeSelector: policy.nodeSelector }),
      ...(policy.tolerations.length === 0 ? {} : { tolerations: policy.tolerations }),
      ...(avoids.length === 0 ? {} : { affinity: awayFrom(avoids) }),
    },
  };
  return create(volume, pods, object);
}

/** By which a policy tells the two apart. One that is alone needs none. */
function roleLabel(role: CopyRole): Readonly<Record<string, string>> {
  return role === 'copy' ? {} : { [labels.copyRole]: role };
}

/** The inverse. */
export function roleOf({ metadata }: Pod): CopyRole {
  const role = metadata.labels?.[labels.copyRole];
  return role === 'export' || role === 'import' ? role : 'copy';
}

type Volumes = NonNullable<NonNullable<Pod['spec']>['volumes']>;
const keys = 'keys';
const sockets = 'sockets';

/** Whether qemu-nbd is in it: all else that a pod does, it does without a place of its own to write to. */
function listens({ volume }: CopyPlan, { role }: Part): boolean {
  return role === 'export' && contentTypeOf(volume) === 'kubevirt';
}

function volumesOf(plan: CopyPlan, part: Part): Volumes {
  const { from, to } = plan;
  const { role, has } = part;
  const all = {
    // Nobody can write to it through this pod, be it a folder or a device.
    source: { name: 'source', persistentVolumeClaim: { claimName: from.metadata.name, readOnly: true } },
    destination: { name: 'destination', persistentVolumeClaim: { claimName: to.metadata.name } },
  };
  // For the user and the group of the pod.
  const secret = { secretName: copyKeyName(to.metadata.uid), defaultMode: 0o440 };
  return [
    ...has.map((name) => all[name]),
    ...(role === 'copy' ? [] : [{ name: keys, secret }]),
    ...(listens(plan, part) ? [{ name: sockets, emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } as const }] : []),
  ];
}

/** A sidecar could only keep it from ending, or from being reached; and a node that is taken away in the middle costs all of the work. */
function notesFor(plan: CopyPlan, part: Part): Readonly<Record<string, string>> {
  const { to, attempt } = plan;
  const avoids = avoidedBy(plan, part);
  return {
    // Another claim may have taken its name by the time that the pod is done.
    [annotations.copiesInto]: to.metadata.uid,
    // And that claim may be one that several tries go on with.
    [annotations.copyAttempt]: String(attempt),
    [annotations.istioInject]: 'false',
    [annotations.linkerdInject]: 'disabled',
    [annotations.safeToEvict]: 'false',
    ...(avoids.length === 0 ? {} : { [annotations.avoidsNodes]: avoids.join(' ') }),
  };
}

/** What only hands out does not count as a copy. */
function avoidedBy({ avoids }: CopyPlan, { role }: Part): readonly string[] {
  return role === 'export' ? [] : avoids;
}

/** By their names, since a label need not be the name; such a field takes one value. */
function awayFrom(nodes: readonly string[]): object {
  const matchFields = nodes.map((node) => ({ key: 'metadata.name', operator: 'NotIn', values: [node] }));
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } } };
}

function containerOf(plan: CopyPlan, part: Part): PodContainer {
  const { volume, policy, from, to } = plan;
  const all = [
    { name: 'source', mode: modeOf(from), paths: copyPaths.source, readOnly: true },
    { name: 'destination', mode: modeOf(to), paths: copyPaths.destination, readOnly: false },
  ] as const;
  const used = all.filter(({ name }) => part.has.includes(name));
  const devices = used.filter(({ mode }) => mode === 'Block');
  const mounts = [
    ...used
      .filter(({ mode }) => mode === 'Filesystem')
      .map(({ name, paths, readOnly }) => ({ name, mountPath: paths.Filesystem, readOnly })),
    ...(part.role === 'copy' ? [] : [{ name: keys, mountPath: copyKeys.folder, readOnly: true }]),
    ...(listens(plan, part) ? [{ name: sockets, mountPath: copySockets, readOnly: false }] : []),
  ];
  const address = { name: podAddressVariable, valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } };
  return {
    name: container,
    image: policy.image,
    args: [...copyProgram, ...Object.entries(argumentsOf(plan, part)).map(([name, value]) => `--${name}=${value}`)],
    ...(part.role === 'export' ? { env: [address] } : {}),
    resources: { requests: policy.requests, limits: policy.limits },
    // What a program says that ends without a result; one that has a result leaves that.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: privilegesFor(volume, part.role),
    ...(mounts.length === 0 ? {} : { volumeMounts: mounts }),
    ...(devices.length === 0
      ? {}
      : { volumeDevices: devices.map(({ name, paths }) => ({ name, devicePath: paths.Block })) }),
  };
}

type Arguments = Readonly<Record<Exclude<(typeof copyArguments)[number], 'peer'>, string>> & { readonly peer?: string };

function argumentsOf({ volume, policy, from, to, imageSize }: CopyPlan, { role, peer }: Part): Arguments {
  return {
    role,
    ...(peer === undefined ? {} : { peer }),
    content: contentTypeOf(volume),
    'source-mode': modeOf(from),
    'destination-mode': modeOf(to),
    preallocation: String(preallocates(volume)),
    verify: String(verifies(volume, policy)),
    bandwidth: String(bandwidthOf(volume, policy)),
    'image-size': String(imageSize),
  };
}

function modeOf({ spec }: PersistentVolumeClaim): VolumeMode {
  return spec?.volumeMode === 'Block' ? 'Block' : 'Filesystem';
}

function preallocates({ spec, metadata }: DataVolume): boolean {
  return spec.preallocation ?? metadata.annotations?.[annotations.preallocation] === 'true';
}

/** A word that is neither asks for the safe side. */
export function verifies({ metadata }: DataVolume, policy: CopyPolicy): boolean {
  const asked = metadata.annotations?.[annotations.verify];
  return asked === undefined ? policy.verify : asked !== 'false';
}

/** @throws QuantityError for an annotation that is no quantity; it stops a clone before it comes here. */
function bandwidthOf({ metadata }: DataVolume, { bandwidth }: CopyPolicy): bigint {
  const asked = parseQuantity(metadata.annotations?.[annotations.bandwidth] ?? '0');
  if (asked <= 0n) return bandwidth;
  return bandwidth > 0n && bandwidth < asked ? bandwidth : asked;
}

/**
 * The pod lies in the source's namespace, which need not be the user's: with a priority of his choice, he could drive out the pods of
 * others. So it has to be one that the administrator has nothing against; KubeVirt hands on that of the virtual machine.
 */
function priorityOf({ spec, metadata }: DataVolume, { priorityClass, priorityClasses }: CopyPolicy): string {
  const asked = metadata.annotations?.[annotations.priorityClass] ?? spec.priorityClassName ?? '';
  return priorityClasses.includes(asked) ? asked : priorityClass;
}

/**
 * A disk image belongs to the user as whom KubeVirt runs, and so that is who copies it; what the new volume's file system is owned by
 * follows from the group. Only root may give the files of a tree back to those they belong to, and with a group for the whole volume the
 * kubelet would change what was just copied.
 */
function userFor(volume: DataVolume): object {
  const seccompProfile = { type: 'RuntimeDefault' };
  if (contentTypeOf(volume) === 'archive') return { runAsUser: 0, runAsGroup: 0, seccompProfile };
  return {
    runAsNonRoot: true,
    runAsUser: qemuId,
    runAsGroup: qemuId,
    fsGroup: qemuId,
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile,
  };
}

/** For a disk image, what Pod Security "restricted" asks for; for a tree, what "baseline" allows. */
function privilegesFor(volume: DataVolume, role: CopyRole): object {
  const capabilities = role === 'export' ? exportCapabilities : archiveCapabilities;
  const add = contentTypeOf(volume) === 'archive' ? { add: capabilities } : {};
  return {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], ...add },
  };
}
