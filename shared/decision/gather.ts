import { type CloneSource, contentTypeOf, contentTypeOfClaim, type DataVolume } from '../api/datavolume.ts';
import { annotations, isStrategy, type Strategy } from '../api/names.ts';
import type {
  CSIDriver,
  KubeObject,
  PersistentVolumeClaim,
  StorageClass,
  StorageProfile,
  VolumeSnapshot,
  VolumeSnapshotClass,
} from '../api/objects.ts';
import { parseQuantity } from '../api/quantity.ts';
import type { CloneFacts, PolicyFacts, Preference, SourceFacts, StorageFacts, TargetFacts, Veto } from './facts.ts';
import { knownStrategy } from './provisioners.ts';
import { describe } from './rules.ts';
import { type Lookup, renderTarget } from './target.ts';
import { vetoes } from './veto.ts';

/** What the cluster's storage is made of. */
export interface StorageLookups {
  readonly storageClasses: Lookup<StorageClass>;
  readonly storageProfiles: Lookup<StorageProfile>;
  readonly csiDrivers: Lookup<CSIDriver>;
  /** Absent when the cluster serves no snapshot API. */
  readonly volumeSnapshotClasses?: Lookup<VolumeSnapshotClass>;
}

export interface GatherInput {
  readonly volume: DataVolume;
  readonly source: CloneSource;
  /** The source, when it exists. */
  readonly sourceClaim?: PersistentVolumeClaim | undefined;
  readonly sourceSnapshot?: VolumeSnapshot | undefined;
  /** Namespace of the source, as far as its annotations go; when it is known. */
  readonly sourceNamespace?: KubeObject | undefined;
  readonly stores: StorageLookups;
  readonly policy: PolicyFacts;
}

/** Turns API objects into facts; the one place where the decision's meaning meets their fields. @throws QuantityError */
export function gatherFacts(input: GatherInput): CloneFacts {
  const found =
    input.source.kind === 'VolumeSnapshot'
      ? fromSnapshot(input)
      : fromClaim(input.source, input.sourceClaim, input.stores);
  const veto = vetoOf(input);
  const source = veto === undefined ? found : { ...found, veto };
  return { source, target: targetFacts(input, source), policy: input.policy };
}

/** Who lets nobody clone the source; undefined when nobody says so. */
export function vetoOf(input: Omit<GatherInput, 'stores' | 'policy'>): Veto | undefined {
  const { volume, source, sourceClaim, sourceSnapshot, sourceNamespace } = input;
  const by = [
    vetoes(sourceClaim ?? sourceSnapshot) ? describe(source) : undefined,
    vetoes(sourceNamespace) ? `namespace ${source.namespace}` : undefined,
  ].find((who) => who !== undefined);
  if (by === undefined) return undefined;
  const member = source.kind === 'VolumeSnapshot' ? 'snapshot' : 'pvc';
  return { by, field: volume.spec.sourceRef === undefined ? `spec.source.${member}` : 'spec.sourceRef' };
}

function fromClaim(
  source: CloneSource,
  claim: PersistentVolumeClaim | undefined,
  { storageClasses }: StorageLookups,
): SourceFacts {
  if (claim === undefined) return { ...source, state: 'missing', contentType: 'kubevirt' };
  const storageClass = claim.spec?.storageClassName ?? undefined;
  const provisioner = storageClass === undefined ? undefined : storageClasses.get(storageClass)?.provisioner;
  return {
    ...source,
    state: claim.status?.phase === 'Bound' ? 'ready' : 'unbound',
    contentType: contentTypeOfClaim(claim),
    volumeMode: claim.spec?.volumeMode === 'Block' ? 'Block' : 'Filesystem',
    ...bytes('requested', claim.spec?.resources?.requests?.['storage']),
    ...bytes('capacity', claim.status?.capacity?.['storage']),
    ...(storageClass === undefined ? {} : { storageClass }),
    ...(provisioner === undefined ? {} : { provisioner }),
  };
}

function fromSnapshot({ volume, source, sourceSnapshot, stores }: GatherInput): SourceFacts {
  if (sourceSnapshot === undefined) return { ...source, state: 'missing', contentType: 'kubevirt' };
  const className = sourceSnapshot.spec?.volumeSnapshotClassName;
  const driver = className === undefined ? undefined : stores.volumeSnapshotClasses?.get(className)?.driver;
  const restoreSize = sourceSnapshot.status?.restoreSize;
  return {
    ...source,
    state: sourceSnapshot.status?.readyToUse === true ? 'ready' : 'unbound',
    // A snapshot does not tell what it holds; the target's word is all there is.
    contentType: contentTypeOf(volume),
    // Some drivers report 0 for "unknown".
    ...(restoreSize === '0' ? {} : bytes('capacity', restoreSize)),
    ...sourceMode(sourceSnapshot),
    ...(driver === undefined ? {} : { provisioner: driver }),
  };
}

/** CDI notes the mode on snapshots that it makes; what else knows it (the VolumeSnapshotContent) would cost a request more. */
function sourceMode({ metadata }: VolumeSnapshot): Pick<SourceFacts, 'volumeMode'> {
  const volumeMode = metadata.annotations?.[annotations.sourceVolumeMode];
  return volumeMode === 'Block' || volumeMode === 'Filesystem' ? { volumeMode } : {};
}

function targetFacts(input: GatherInput, source: SourceFacts): TargetFacts {
  const { volume, stores } = input;
  const wanted = volume.metadata.annotations?.[annotations.strategy];
  const { storageClassName, volumeMode, requested, payload, smallest } = renderTarget({ volume, ...stores });
  const storageClass = storageClassName === undefined ? undefined : stores.storageClasses.get(storageClassName);
  return {
    namespace: volume.metadata.namespace ?? '',
    contentType: contentTypeOf(volume),
    volumeMode,
    sizeField: `spec.${volume.spec.pvc === undefined ? 'storage' : 'pvc'}.resources.requests.storage`,
    ...(requested === undefined ? {} : { requested }),
    ...(payload === undefined ? {} : { payload }),
    ...(smallest === undefined ? {} : { smallest }),
    ...(storageClassName === undefined ? {} : { storageClassName }),
    ...(isStrategy(wanted) ? { wanted } : {}),
    ...(storageClass === undefined ? {} : { storage: storageFacts(storageClass, source, input) }),
  };
}

function storageFacts(storageClass: StorageClass, source: SourceFacts, { stores, policy }: GatherInput): StorageFacts {
  const { provisioner } = storageClass;
  const snapshotClass = chooseSnapshotClass(storageClass, source, stores);
  return {
    provisioner,
    allowVolumeExpansion: storageClass.allowVolumeExpansion === true,
    csiDriver: stores.csiDrivers.get(provisioner) !== undefined,
    preferred: preference(storageClass, snapshotClass !== undefined, stores, policy),
    ...allowedStrategies(storageClass),
    snapshotAPI: stores.volumeSnapshotClasses !== undefined,
    ...(snapshotClass === undefined ? {} : { snapshotClass }),
  };
}

/** The override, then the StorageProfile, then the class's annotation, then the table, then what the cluster can do (cdi-behaviour 2.9). */
function preference(
  storageClass: StorageClass,
  snapshots: boolean,
  { storageProfiles }: StorageLookups,
  { override }: PolicyFacts,
): Preference {
  if (override !== undefined) return { strategy: override, by: "the administrator's override" };
  const name = storageClass.metadata.name ?? '';
  const profile = storageProfiles.get(name);
  const profiled = profile?.spec?.cloneStrategy ?? profile?.status?.cloneStrategy;
  if (isStrategy(profiled)) return { strategy: profiled, by: `StorageProfile ${name}` };
  const annotated = storageClass.metadata.annotations?.[annotations.cloneStrategy];
  if (isStrategy(annotated)) return { strategy: annotated, by: `StorageClass ${name}` };
  const listed = knownStrategy(storageClass);
  if (listed !== undefined) return { strategy: listed, by: `the table of known provisioners` };
  return { strategy: snapshots ? 'snapshot' : 'copy', by: `the default for ${storageClass.provisioner}` };
}

/** A word in the list that is no strategy allows nothing: an administrator's typing error must not open what was to be closed. */
function allowedStrategies({ metadata }: StorageClass): { readonly allowed?: readonly Strategy[] } {
  const list = metadata.annotations?.[annotations.allowedStrategies];
  if (list === undefined) return {};
  return {
    allowed: list
      .split(',')
      .map((word) => word.trim())
      .filter(isStrategy),
  };
}

/** The profiles' class when source and target name the same one, else the driver's default, else its first by name (cdi-behaviour 2.5). */
function chooseSnapshotClass(
  storageClass: StorageClass,
  source: SourceFacts,
  stores: StorageLookups,
): string | undefined {
  const named = (name: string | undefined): string | undefined => {
    const profile = name === undefined ? undefined : stores.storageProfiles.get(name);
    return profile?.spec?.snapshotClass ?? profile?.status?.snapshotClass;
  };
  const ofDriver = (stores.volumeSnapshotClasses?.list() ?? [])
    .filter(({ driver }) => driver === storageClass.provisioner)
    .toSorted((a, b) => (a.metadata.name ?? '').localeCompare(b.metadata.name ?? ''));
  const wanted = named(storageClass.metadata.name);
  const chosen =
    (wanted !== undefined && wanted === named(source.storageClass)
      ? ofDriver.find(({ metadata }) => metadata.name === wanted)
      : undefined) ??
    ofDriver.find(({ metadata }) => metadata.annotations?.[annotations.defaultSnapshotClass] === 'true') ??
    ofDriver[0];
  return chosen?.metadata.name;
}

function bytes<K extends 'requested' | 'capacity'>(key: K, text: string | undefined): { readonly [P in K]?: bigint } {
  const found: { [P in 'requested' | 'capacity']?: bigint } = text === undefined ? {} : { [key]: parseQuantity(text) };
  return found;
}
