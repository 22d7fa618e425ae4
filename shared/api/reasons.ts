/**
 * Every reason code that Clonegate prints, once, with the sentence that explains it. The annotation, the event, the condition, the log
 * line, the metric label and the tests all use these codes; a code is never given another meaning, and never reused once retired.
 */

interface Reason {
  /** Where the code can be seen. */
  readonly seen: 'decision' | 'refusal' | 'wait' | 'warning' | 'event' | 'condition' | 'upkeep';
  /** What it means, for docs/reference.md. */
  readonly means: string;
}

const table = {
  // Why a candidate lost (decision annotation).
  Preferred: { seen: 'decision', means: 'The candidate is what the storage prefers and nothing speaks against it.' },
  Requested: { seen: 'decision', means: 'The DataVolume asks for this strategy by annotation.' },
  BestPossible: {
    seen: 'decision',
    means: 'The preferred candidates are not possible; this is the best that is left.',
  },
  NotPreferred: { seen: 'decision', means: 'The candidate would be possible, but a better one was chosen.' },
  StorageFailed: { seen: 'decision', means: 'The strategy was tried, and the storage refused it for good.' },
  StrategyForbidden: { seen: 'decision', means: 'The StorageClass does not allow this strategy.' },
  StrategyNotEnabled: {
    seen: 'decision',
    means: 'Neither the StorageProfile nor the StorageClass asks for this strategy.',
  },
  NoCSIDriver: {
    seen: 'decision',
    means: 'No CSIDriver object exists for the provisioner of the target StorageClass.',
  },
  IncompatibleProvisioners: { seen: 'decision', means: 'Source and target are served by different provisioners.' },
  DifferentStorageClass: {
    seen: 'decision',
    means: 'Source and target are of different StorageClasses and the administrator wants the same.',
  },
  IncompatibleVolumeModes: { seen: 'decision', means: 'Source and target differ in volumeMode.' },
  NoVolumeExpansion: {
    seen: 'decision',
    means: 'The target is larger than the source and its StorageClass does not allow expansion.',
  },
  NoSnapshotAPI: { seen: 'decision', means: 'The cluster does not serve snapshot.storage.k8s.io/v1.' },
  NoVolumeSnapshotClass: { seen: 'decision', means: 'No VolumeSnapshotClass exists for the provisioner.' },
  SourceIsSnapshot: { seen: 'decision', means: 'The source is a snapshot, which can be restored but not cloned.' },
  NoProvisionerMatch: {
    seen: 'decision',
    means: "The snapshot's driver is not the provisioner of the target StorageClass.",
  },

  // Why nothing was chosen yet (the controller decides when the facts are there).
  SourceNotFound: { seen: 'wait', means: 'The source does not exist yet; the strategy is chosen when it does.' },
  SourceNotBound: {
    seen: 'wait',
    means: 'The source claim is not bound to a volume yet; the strategy is chosen when it is.',
  },
  DefaultStorageClassMissing: {
    seen: 'wait',
    means: 'No StorageClass is named and the cluster has no default one yet.',
  },
  StorageClassMissing: { seen: 'wait', means: 'The named StorageClass does not exist yet.' },

  // Refusals at admission.
  CloneDenied: { seen: 'refusal', means: 'The user may not create datavolumes/source for this source.' },
  CloneVetoed: {
    seen: 'refusal',
    means: 'The source or its namespace carries the annotation clonegate.io/clone with another value than allow.',
  },
  NamespaceNotServed: {
    seen: 'refusal',
    means:
      'The DataVolume or its source is in a namespace that is not among `--namespaces`, or that Clonegate has no role in.',
  },
  CloneAuthorizationFailed: {
    seen: 'refusal',
    means: 'The right to clone could not be evaluated; nothing was allowed. Try again.',
  },
  CloneRejected: {
    seen: 'refusal',
    means: 'The request is not a valid clone; the message names the field and how to mend it.',
  },
  TargetExists: { seen: 'refusal', means: "A claim with the DataVolume's name exists already." },
  TargetTooSmall: { seen: 'refusal', means: 'The target is smaller than the source.' },
  ContentTypeMismatch: { seen: 'refusal', means: 'Source and target hold different kinds of content.' },
  StrategyUnavailable: { seen: 'refusal', means: 'No strategy can make this clone.' },
  StrategyNotPossible: { seen: 'refusal', means: 'The strategy that the DataVolume asks for is not possible.' },
  StampMissing: {
    seen: 'refusal',
    means: 'The DataVolume carries no authorization stamp; it was not seen by the mutating webhook.',
  },
  StampInvalid: { seen: 'refusal', means: 'The authorization stamp is forged, altered or of an unknown key.' },
  StampMismatch: { seen: 'refusal', means: 'The authorization stamp was made for another source, target or user.' },
  StampTooLarge: {
    seen: 'refusal',
    means: 'The groups and extra attributes of the user do not fit into an authorization stamp.',
  },
  QuotaExceeded: {
    seen: 'refusal',
    means: 'What the clone makes does not fit into a ResourceQuota or LimitRange; a warning unless `--quota=deny`.',
  },
  SpecImmutable: { seen: 'refusal', means: 'The spec of a DataVolume cannot be changed once it is created.' },
  ReservedAnnotation: { seen: 'refusal', means: "Clonegate's annotations are changed by its controller only." },
  MalformedReview: { seen: 'refusal', means: 'The body is not an AdmissionReview that this webhook can read.' },

  // Warnings and events of admission.
  QuotaNear: { seen: 'warning', means: 'What the clone makes fits, but then nine tenths of a ResourceQuota are used.' },
  CloneAuthorized: {
    seen: 'event',
    means: 'The user may clone and the DataVolume was let in by Clonegate; others may still have refused it.',
  },
  CloneWouldBeDenied: {
    seen: 'event',
    means: 'The request was let pass in shadow mode; in enforce mode it would have been refused.',
  },

  // Waits and failures of the execution (conditions and events of the DataVolume). CDI's names where CDI has one.
  CloneScheduled: { seen: 'event', means: 'The clone is accepted and waits for its turn or for its source.' },
  CloneQueued: {
    seen: 'event',
    means: 'Enough clones of the same source or StorageClass are under way; the message tells the place in the queue.',
  },
  CloneStalled: {
    seen: 'event',
    means: 'The clone has waited for too long; the message names what it waits for, and the last event of that.',
  },
  CloneStrategyFallback: {
    seen: 'event',
    means: 'The storage failed at the chosen strategy for good; the clone goes on with the next one.',
  },
  CloneFailed: {
    seen: 'event',
    means: 'The storage failed at the clone for good, and there is no other strategy to try.',
  },
  CSICloneInProgress: { seen: 'event', means: 'The CSI driver clones the source volume.' },
  SnapshotForSmartCloneInProgress: { seen: 'event', means: 'The CSI driver takes a snapshot of the source.' },
  CloneFromSnapshotSourceInProgress: { seen: 'event', means: 'The CSI driver restores the snapshot.' },
  CloneInProgress: { seen: 'event', means: 'A pod copies the bytes.' },
  CopyFinished: { seen: 'event', means: 'All bytes are copied; the message tells how many, and how fast.' },
  CopyOverNetwork: {
    seen: 'event',
    means:
      'No node takes a pod with both volumes, so two pods copy over the network, encrypted; the message tells why.',
  },
  CopyPodPending: { seen: 'event', means: 'The copy pod is not running yet; its node prepares what it needs.' },
  CopyPodUnschedulable: {
    seen: 'event',
    means:
      "No node can run the copy pod, for example because none reaches both volumes; the message is the scheduler's.",
  },
  CopyImagePullFailed: { seen: 'event', means: 'The node cannot get the image of the copy pod.' },
  CopyPodCannotStart: { seen: 'event', means: "The node cannot start the copy pod; the message is the kubelet's." },
  PodForbidden: { seen: 'event', means: 'A rule of the namespace does not let in a pod that the clone needs.' },
  CopyNoSpace: { seen: 'event', means: 'The target was full before the copy was done.' },
  CopyIOError: { seen: 'event', means: 'The storage failed to read or to write; the message tells where.' },
  CopyPermissionDenied: { seen: 'event', means: 'The copy pod may not read the source or not write the target.' },
  CopyContentInvalid: { seen: 'event', means: 'The source does not hold what its content type says.' },
  CopyTargetTooSmall: { seen: 'event', means: 'The target holds fewer bytes than the image in the source has.' },
  CopyVerificationFailed: {
    seen: 'event',
    means: 'What was read back from the target is not what was read from the source.',
  },
  CopyPeerUnreachable: {
    seen: 'event',
    means: 'Of the two pods of a copy, the one with the target does not reach the one with the source, or lost it.',
  },
  CopyToolFailed: { seen: 'event', means: 'The copy ended in a way that it does not explain.' },
  CopyOutOfMemory: { seen: 'event', means: 'The copy pod was killed because it used more memory than it may.' },
  CopyEvicted: {
    seen: 'event',
    means: 'The copy pod had to leave its node: a drain, a preemption, or a node under pressure.',
  },
  CopyNodeLost: { seen: 'event', means: 'The node of the copy pod is gone or does not answer.' },
  CopyPodDeleted: { seen: 'event', means: 'Somebody deleted the copy pod before it was done.' },
  PrepClaimInProgress: { seen: 'event', means: 'The clone is made and grows to the size that was asked for.' },
  RebindInProgress: { seen: 'event', means: "The clone's volume is handed over to the target claim." },
  SnapshotNotReady: { seen: 'event', means: 'The source is a snapshot that is not ready to use yet.' },
  CloneSucceeded: { seen: 'event', means: 'The clone is complete.' },
  CloneWithoutSource: { seen: 'event', means: 'The source does not exist; the clone starts when it does.' },
  CloneSourceInUse: { seen: 'event', means: 'A pod writes to the source; the clone starts when it no longer does.' },
  CloneSourceNotPopulated: { seen: 'event', means: 'The source is itself still being filled.' },
  CloneValidationFailed: { seen: 'event', means: 'The clone can not be made as asked; the message says why.' },
  CloneUnauthorized: {
    seen: 'event',
    means: 'The DataVolume carries no valid authorization stamp and is never executed.',
  },
  CloneAuthorizationRevoked: { seen: 'event', means: 'The user who asked for the clone has lost the right to it.' },
  SourceReplaced: { seen: 'event', means: 'The source was deleted and made again since the clone was authorized.' },
  ErrResourceExists: {
    seen: 'event',
    means: 'An object of a name that the clone needs exists and does not belong to the DataVolume.',
  },
  ErrResourceMarkedForDeletion: {
    seen: 'event',
    means: 'The target claim is being deleted; it is made again when it is gone.',
  },
  ErrClaimLost: { seen: 'event', means: 'The target claim lost its volume.' },
  SourceTerminating: { seen: 'event', means: 'The source is being deleted and cannot be cloned any more.' },
  WaitForFirstConsumer: { seen: 'event', means: 'The volume is made when a pod that uses it is scheduled.' },
  EventsSuppressed: { seen: 'event', means: 'More happened than may be recorded in events; the log has it all.' },
  ErrExceededQuota: {
    seen: 'event',
    means:
      'A quota does not let a claim, a pod or something else that the clone needs be created; the message names it.',
  },
  CloneAbandoned: { seen: 'event', means: 'Clonegate was uninstalled before the clone came to its end.' },
  OrphanFound: { seen: 'event', means: 'The object was made for a clone whose DataVolume does not exist any more.' },
  OrphanRemoved: {
    seen: 'event',
    means: 'The object was made for a clone whose DataVolume does not exist any more, and was removed.',
  },

  // Events of the webhook's own Secret or pod.
  CertificateRotated: { seen: 'upkeep', means: 'The serving certificates are signed by a new authority from now on.' },
  CertificateExpiring: {
    seen: 'upkeep',
    means: 'A certificate of the webhook is near its end and was not renewed; the log tells what hinders it.',
  },
  StampKeyRotated: { seen: 'upkeep', means: 'Authorization stamps are signed with a new key from now on.' },

  // Reasons of the conditions Bound, Ready and Running (CDI's words).
  NotFound: { seen: 'condition', means: 'The target claim does not exist yet.' },
  Pending: { seen: 'condition', means: 'Waiting for the target claim to be bound.' },
  Bound: { seen: 'condition', means: 'The target claim is bound to its volume.' },
  ClaimLost: { seen: 'condition', means: 'The target claim lost its volume.' },
  Completed: { seen: 'condition', means: 'The clone is complete.' },
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof table;
export const reasons: Readonly<Record<ReasonCode, Reason>> = table;

export function isReasonCode(value: unknown): value is ReasonCode {
  return typeof value === 'string' && Object.hasOwn(table, value);
}
