import { annotations, type Strategy } from '../api/names.ts';
import { formatQuantity } from '../api/quantity.ts';
import type { ReasonCode } from '../api/reasons.ts';
import type { CloneFacts, KnownFacts, Veto } from './facts.ts';
import { tooSmall } from './sizes.ts';

/** One prerequisite: the reason code it fails with, and a message when it does. Rows are tried in order and the first failure wins. */
export interface Rule<F> {
  readonly reason: ReasonCode;
  readonly fails: (facts: F) => string | undefined;
}

/** A rule whose failure no strategy can help. */
export interface Refusal extends Rule<CloneFacts> {
  /** The field of the DataVolume that would have to change. */
  readonly field: (facts: CloneFacts) => string;
}

/** No candidate helps: the DataVolume is refused. */
export const refusals: readonly Refusal[] = [
  {
    // Only ever seen by somebody with the right to clone: nobody else's clone is decided about.
    reason: 'CloneVetoed',
    field: ({ source: { veto } }) => veto?.field ?? 'spec.source',
    fails: ({ source: { veto } }) => (veto === undefined ? undefined : vetoText(veto)),
  },
  {
    // The bytes of a disk image are not a tree of files, and a copy would make a volume that nothing can read.
    reason: 'ContentTypeMismatch',
    field: () => 'spec.contentType',
    fails: ({ source, target }) =>
      source.state !== 'missing' && source.contentType !== target.contentType
        ? `the source holds ${source.contentType} content, the target asks for ${target.contentType}`
        : undefined,
  },
  {
    reason: 'TargetTooSmall',
    field: ({ target }) => target.sizeField,
    fails: (facts) => (facts.source.state === 'missing' ? undefined : tooSmall(facts)),
  },
];

/** What has to be there before anything can be chosen; until then the decision is put off. */
export const deferrals: readonly Rule<CloneFacts>[] = [
  {
    reason: 'SourceNotFound',
    fails: ({ source }) => (source.state === 'missing' ? `${describe(source)} does not exist yet` : undefined),
  },
  {
    reason: 'SourceNotBound',
    fails: ({ source }) => (source.state === 'unbound' ? `${describe(source)} has no volume yet` : undefined),
  },
  {
    reason: 'DefaultStorageClassMissing',
    fails: ({ target }) =>
      target.storageClassName === undefined ? 'no StorageClass is named and the cluster has no default one' : undefined,
  },
  {
    reason: 'StorageClassMissing',
    fails: ({ target }) =>
      target.storage === undefined ? `StorageClass ${target.storageClassName ?? ''} does not exist yet` : undefined,
  },
];

/** What an administrator forbids is not tried, however well it would work. */
function forbidden(strategy: Strategy): Rule<KnownFacts> {
  return {
    reason: 'StrategyForbidden',
    fails: ({ target: { storage, storageClassName } }) =>
      storage.allowed === undefined || storage.allowed.includes(strategy)
        ? undefined
        : `StorageClass ${storageClassName} allows only ${storage.allowed.join(', ') || 'no strategy at all'}`,
  };
}

const noCSIDriver: Rule<KnownFacts> = {
  reason: 'NoCSIDriver',
  fails: ({ target: { storage } }) =>
    storage.csiDriver ? undefined : `no CSIDriver object ${storage.provisioner} exists`,
};

const incompatibleProvisioners: Rule<KnownFacts> = {
  reason: 'IncompatibleProvisioners',
  fails: ({ source, target: { storage } }) =>
    source.provisioner === storage.provisioner
      ? undefined
      : `the source is served by ${source.provisioner ?? 'an unknown driver'}, the target by ${storage.provisioner}`,
};

const differentStorageClass: Rule<KnownFacts> = {
  reason: 'DifferentStorageClass',
  fails: ({ source, target, policy }) =>
    policy.sameStorageClass &&
    source.kind === 'PersistentVolumeClaim' &&
    source.storageClass !== target.storageClassName
      ? `the source is of StorageClass ${source.storageClass ?? '(none)'}, the target of ${target.storageClassName}`
      : undefined,
};

const incompatibleVolumeModes: Rule<KnownFacts> = {
  reason: 'IncompatibleVolumeModes',
  fails: ({ source, target }) =>
    source.volumeMode === undefined || source.volumeMode === target.volumeMode
      ? undefined
      : `the source is ${source.volumeMode}, the target ${target.volumeMode}`,
};

const noVolumeExpansion: Rule<KnownFacts> = {
  reason: 'NoVolumeExpansion',
  fails: ({ source: { capacity }, target: { requested, storage, storageClassName } }) =>
    capacity !== undefined && requested !== undefined && capacity < requested && !storage.allowVolumeExpansion
      ? `the target (${formatQuantity(requested)}) is larger than the source (${formatQuantity(capacity)}) and ` +
        `StorageClass ${storageClassName} does not allow volume expansion`
      : undefined,
};

/** Prerequisites of each strategy, the cheapest question first. `copy` needs nothing of the storage, only that it is not forbidden. */
export const prerequisites: Readonly<Record<Strategy, readonly Rule<KnownFacts>[]>> = {
  'csi-clone': [
    forbidden('csi-clone'),
    {
      // Nothing in the API tells whether a driver can clone, so a profile, an annotation or the table has to say so.
      reason: 'StrategyNotEnabled',
      fails: ({ target: { storage } }) =>
        storage.preferred.strategy === 'csi-clone' ? undefined : `${storage.preferred.by} does not ask for csi-clone`,
    },
    {
      reason: 'SourceIsSnapshot',
      fails: ({ source }) => (source.kind === 'VolumeSnapshot' ? 'a snapshot is restored, not cloned' : undefined),
    },
    noCSIDriver,
    incompatibleProvisioners,
    differentStorageClass,
    incompatibleVolumeModes,
    noVolumeExpansion,
  ],
  snapshot: [
    forbidden('snapshot'),
    {
      reason: 'NoSnapshotAPI',
      fails: ({ target: { storage } }) => (storage.snapshotAPI ? undefined : 'the cluster serves no snapshot API'),
    },
    {
      reason: 'NoVolumeSnapshotClass',
      fails: ({ source, target: { storage } }) =>
        storage.snapshotClass === undefined && source.kind === 'PersistentVolumeClaim'
          ? `no VolumeSnapshotClass of driver ${storage.provisioner} exists`
          : undefined,
    },
    noCSIDriver,
    {
      reason: 'NoProvisionerMatch',
      fails: ({ source, target: { storage } }) =>
        source.kind === 'VolumeSnapshot' && source.provisioner !== storage.provisioner
          ? `the snapshot is of driver ${source.provisioner ?? 'unknown'}, the target of ${storage.provisioner}`
          : undefined,
    },
    incompatibleProvisioners,
    differentStorageClass,
    incompatibleVolumeModes,
    noVolumeExpansion,
  ],
  copy: [forbidden('copy')],
};

/** How a source is named to people. */
export function describe(source: { readonly kind: string; readonly namespace: string; readonly name: string }): string {
  return `${source.kind} ${source.namespace}/${source.name}`;
}

export function vetoText({ by }: Veto): string {
  return `${by} lets nobody clone (annotation ${annotations.clone}); only who is in charge of it can change that`;
}
