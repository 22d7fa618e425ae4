/**
 * Every name that Clonegate writes or reads on an object, each once and with its meaning. docs/reference.md is held against these
 * tables by a test, so a name that is not here does not exist.
 */

/** API groups we speak to beside the core group (''). */
export const groups = {
  cdi: 'cdi.kubevirt.io',
  snapshot: 'snapshot.storage.k8s.io',
  storage: 'storage.k8s.io',
  authorization: 'authorization.k8s.io',
  coordination: 'coordination.k8s.io',
  events: 'events.k8s.io',
  admission: 'admissionregistration.k8s.io',
  apps: 'apps',
  networking: 'networking.k8s.io',
} as const;

export const annotations = {
  /** The chosen strategy: `csi-clone`, `snapshot` or `copy`. CDI obeys this key too. */
  cloneType: 'cdi.kubevirt.io/cloneType',
  /** Compact JSON, at most 2 KiB: what was chosen, and why every other candidate lost. */
  decision: 'clonegate.io/decision',
  /** Signed authorization record; binds the clone to its source, its target and the user who asked. */
  stamp: 'clonegate.io/stamp',
  /** On a DataVolume, by its user: the one strategy to take; refused when it is not possible. */
  strategy: 'clonegate.io/strategy',
  /** On a DataVolume, by its user: `wait` (default) until nobody writes to the source, or `crash-consistent` to clone it as it is. */
  sourceInUse: 'clonegate.io/source-in-use',
  /** On a DataVolume, by its user: `false` gives its clone a snapshot of its own, whoever else clones the same source at that time. */
  shareSnapshot: 'clonegate.io/share-snapshot',
  /** On a snapshot that several clones share: uids of their DataVolumes, with blanks between them; none is added later. */
  snapshotFor: 'clonegate.io/snapshot-for',
  /** On a StorageClass: `true` lets volumes of it be snapshotted and cloned while they are written to. */
  allowCrashConsistent: 'clonegate.io/allow-crash-consistent',
  /** On a DataVolume, by its user: its volume is made at once even where its class waits for the first consumer. Any value. */
  bindImmediately: 'cdi.kubevirt.io/storage.bind.immediate.requested',
  /** On a source or on its namespace: `deny` lets nobody clone from it; every value but `allow` counts as `deny`. */
  clone: 'clonegate.io/clone',
  /** On a StorageClass: the strategies that may be used for targets of it, separated by commas; all when absent. */
  allowedStrategies: 'clonegate.io/allowed-strategies',
  /** On a StorageClass: the strategy its administrator wants; used where no StorageProfile says otherwise. */
  cloneStrategy: 'cdi.kubevirt.io/clone-strategy',
  /** On a claim: the content it holds, `kubevirt` (one disk image, the default) or `archive` (a tree of files). */
  contentType: 'cdi.kubevirt.io/storage.contentType',
  /** On a DataVolume: the volume was filled by somebody else already, so nothing is cloned. Any value. */
  prePopulated: 'cdi.kubevirt.io/storage.prePopulated',
  /** On a DataVolume: an existing volume that fits is to be taken before anything is cloned. Any value. */
  checkStaticVolume: 'cdi.kubevirt.io/storage.checkStaticVolume',
  /** On a DataVolume: `true` lets it take over a claim of its name that exists already. */
  allowClaimAdoption: 'cdi.kubevirt.io/allowClaimAdoption',
  /** On a claim: name of the DataVolume that it was filled for. */
  populatedFor: 'cdi.kubevirt.io/storage.populatedFor',
  /** On a StorageProfile: the smallest claim that its storage makes. */
  minimumClaimSize: 'cdi.kubevirt.io/minimumSupportedPvcSize',
  /** On a VolumeSnapshot: volumeMode of the volume it was taken of. */
  sourceVolumeMode: 'cdi.kubevirt.io/storage.import.sourceVolumeMode',
  /** On the target claim: uid of the DataVolume it was made for. */
  createdForDataVolume: 'cdi.kubevirt.io/createdForDataVolume',
  /** On the target claim: it is a clone of the source named in its dataSourceRef. */
  cloneOf: 'k8s.io/CloneOf',
  /** On a claim of a class that waits for its first consumer: the node that the scheduler has chosen. */
  selectedNode: 'volume.kubernetes.io/selected-node',
  /** On a DataVolume, by its user: `true` has a copy read again from the target and compared; `false` does without, whatever the setting. */
  verify: 'clonegate.io/verify',
  /** On a DataVolume, by its user: bytes per second that its copy may take, where that is less than the setting. */
  bandwidth: 'clonegate.io/bandwidth',
  /** On a DataVolume, by its user: `true` has every block of the target allocated, as `spec.preallocation` does. */
  preallocation: 'cdi.kubevirt.io/storage.preallocation.requested',
  /** On a DataVolume, by its user: PriorityClass of its copy pod, if the administrator lets users choose that one. */
  priorityClass: 'cdi.kubevirt.io/storage.pod.priorityclassname',
  /** On a DataVolume: compact JSON, how often its copy was begun anew, and why. */
  copy: 'clonegate.io/copy',
  /** On a DataVolume: digest of what was copied, the same when it was read from the source and when it was read back. */
  digest: 'clonegate.io/digest',
  /** On a temporary claim: compact JSON, its volume holds the whole copy. */
  copied: 'clonegate.io/copied',
  /** On a temporary claim and on the pods of a copy: the try that it was made for, from 0. */
  copyAttempt: 'clonegate.io/copy-attempt',
  /** On a copy pod, and on its export pod: uid of the temporary claim that is copied into. */
  copiesInto: 'clonegate.io/copies-into',
  /** On a copy pod: nodes that run as many copies as they may, with blanks between them; it does not go there. */
  avoidsNodes: 'clonegate.io/avoids-nodes',
  /** On a copy pod: service meshes leave it alone. */
  istioInject: 'sidecar.istio.io/inject',
  linkerdInject: 'linkerd.io/inject',
  /** On a copy pod: `false`, the cluster autoscaler does not take its node away. */
  safeToEvict: 'cluster-autoscaler.kubernetes.io/safe-to-evict',
  /** On a volume while it is handed over: the reclaim policy that it has before and after. */
  reclaimPolicy: 'clonegate.io/reclaim-policy',
  /** On a StorageClass: the default of the cluster. */
  defaultClass: 'storageclass.kubernetes.io/is-default-class',
  /** On a StorageClass: the default for virtual machine disks; goes before the default of the cluster. */
  defaultVirtClass: 'storageclass.kubevirt.io/is-default-virt-class',
  /** On a VolumeSnapshotClass: the default of its driver. */
  defaultSnapshotClass: 'snapshot.storage.kubernetes.io/is-default-class',
} as const;

/** On a DataVolume these are ours alone: a user's own are overwritten at CREATE and refused afterwards. */
export const reservedAnnotations = [
  annotations.cloneType,
  annotations.decision,
  annotations.stamp,
  annotations.copy,
  annotations.digest,
] as const;

/** On Events about clones, for programs; of an event with a count they tell the first occurrence. */
export const eventAnnotations = {
  /** Id of the decision, the same in the log line, the audit annotations and the DataVolume's decision. */
  decisionId: 'clonegate.io/decision-id',
  /** `allow`, `deny`, `error`, or in shadow mode `would-deny`, `would-error`. */
  verdict: 'clonegate.io/verdict',
  /** Reason code of the verdict; in shadow mode that of the refusal that was not pronounced. */
  code: 'clonegate.io/code',
  /** Name of the user who asked. */
  user: 'clonegate.io/user',
  /** `namespace/name` of the DataVolume. */
  target: 'clonegate.io/target',
  /** `Kind namespace/name` of what was to be cloned; where a DataSource led is said only to administrators. */
  source: 'clonegate.io/source',
  /** The strategy of an authorized clone. */
  strategy: 'clonegate.io/chosen-strategy',
} as const;

/** Keys in the API server's audit log, each there behind `<name of the webhook>/`. */
export const auditKeys = {
  /** `allow`, `deny`, `error`, or in shadow mode `would-deny`, `would-error`. */
  decision: 'decision',
  /** Id of the decision. */
  decisionId: 'decision-id',
  /** Reason code. */
  reason: 'reason',
  /** How the right was found out: `stamped` (mutate asked), `allowed`, `denied`, `error`. */
  access: 'access',
  /** The rule by which the user was allowed to clone. */
  rule: 'rule',
  /** The chosen strategy. */
  strategy: 'strategy',
  /** What the request names. */
  asked: 'asked',
  /** What that leads to. */
  source: 'source',
} as const;

export const labels = {
  /** On every child in any namespace, and on a volume while it is handed over: uid of the DataVolume that it belongs to. */
  ownerUid: 'clonegate.io/owner-uid',
  /** Who manages the object; `clonegate` on ours. */
  managedBy: 'app.kubernetes.io/managed-by',
  /** On the pods of a copy that takes two: `export` on the one that has the source, `import` on the other. */
  copyRole: 'clonegate.io/copy-role',
  /** On children that go when the clone is done: Velero does not put them into backups. */
  excludeFromBackup: 'velero.io/exclude-from-backup',
} as const;

/** Set on a DataVolume before its first child is made; removed when nothing of ours is left to clean up. */
export const finalizer = 'clonegate.io/cleanup';

/** The one field manager of all our server-side applies and patches. */
export const fieldManager = 'clonegate';

/** Objects in our own namespace that the programs make when they look after stamp keys themselves; the text is at `keys.json`. */
export const installed = {
  /** Secret of the webhook: private keys that sign stamps. */
  stampKeys: 'clonegate-stamp-keys',
  /** ConfigMap: their public halves, for the controller. */
  stampPublicKeys: 'clonegate-stamp-public-keys',
  /** Secret of the controller: private key that opens sealed identities. */
  identityKey: 'clonegate-identity-key',
  /** ConfigMap: its public half, for the webhook. */
  identityPublicKey: 'clonegate-identity-public-key',
} as const;

/** Event reporters (`reportingController`). */
export const reporters = { webhook: 'clonegate.io/webhook', controller: 'clonegate.io/controller' } as const;

/** The subresource whose `create` right in the source namespace is the right to clone from it (CDI's name). */
export const sourceSubresource = {
  group: groups.cdi,
  resource: 'datavolumes',
  subresource: 'source',
  verb: 'create',
} as const;

/** The role that grants it, as the chart ships it; named in refusals. */
export const cloneSourcerRole = 'clonegate-clone-sourcer';

/** The strategies, in the field's own words and in order of cost, cheapest first. */
export const strategies = ['csi-clone', 'snapshot', 'copy'] as const;
export type Strategy = (typeof strategies)[number];

export function isStrategy(value: unknown): value is Strategy {
  return typeof value === 'string' && (strategies as readonly string[]).includes(value);
}
