import { claimOf, contentTypeOf, type DataVolume } from '../api/datavolume.ts';
import { annotations } from '../api/names.ts';
import type { ClaimSpec, KubeObject, StorageClass, StorageProfile, VolumeMode } from '../api/objects.ts';
import { parseQuantity, QuantityError } from '../api/quantity.ts';
import { requiredBytes } from './sizes.ts';

/** Read access to objects that somebody keeps up to date. */
export interface Lookup<T extends KubeObject> {
  get(name: string): T | undefined;
  list(): readonly T[];
}

/** The claim that a DataVolume asks for, with everything it left out filled in. */
export interface TargetClaim {
  readonly storageClassName?: string;
  readonly volumeMode: VolumeMode;
  readonly accessModes: readonly string[];
  /** Bytes of the volume; undefined when the size is to be the source's. */
  readonly requested?: bigint;
  /** Bytes that were asked for, where these are bytes of content: the filesystem's share is not in them, but in `requested`. */
  readonly payload?: bigint;
  /** Bytes of the smallest volume that the storage makes, by its StorageProfile. */
  readonly smallest?: bigint;
}

interface TargetInput {
  readonly volume: DataVolume;
  readonly storageClasses: Lookup<StorageClass>;
  readonly storageProfiles: Lookup<StorageProfile>;
}

/**
 * Renders the target claim as CDI does (cdi-behaviour 2.1, step 3): `spec.pvc` is taken as it stands; what `spec.storage` leaves out
 * comes from the class's StorageProfile, its size is one of content, and it is never smaller than what the storage makes.
 * @throws QuantityError when the size is no quantity.
 */
export function renderTarget({ volume, storageClasses, storageProfiles }: TargetInput): TargetClaim {
  const claim = claimOf(volume) ?? {};
  const storageClassName = claim.storageClassName ?? defaultClass(volume, storageClasses);
  const profile = storageClassName === undefined ? undefined : storageProfiles.get(storageClassName);
  const rendered = modes(volume, claim, profile);
  return {
    ...(storageClassName === undefined ? {} : { storageClassName }),
    ...rendered,
    ...sizes(volume, rendered.volumeMode, smallestOf(profile)),
  };
}

function sizes(
  volume: DataVolume,
  volumeMode: VolumeMode,
  smallest: bigint | undefined,
): Pick<TargetClaim, 'requested' | 'payload' | 'smallest'> {
  const known = smallest === undefined ? {} : { smallest };
  const text = claimOf(volume)?.resources?.requests?.['storage'];
  if (text === undefined) return known;
  const given = parseQuantity(text);
  if (volume.spec.pvc !== undefined) return { ...known, requested: given };
  const needed = requiredBytes(given, volumeMode);
  const requested = smallest !== undefined && smallest > needed ? smallest : needed;
  return { ...known, requested, ...(volumeMode === 'Filesystem' ? { payload: given } : {}) };
}

/** What an administrator wrote wrongly there raises nothing; the storage itself will do so. */
function smallestOf(profile: StorageProfile | undefined): bigint | undefined {
  const text = profile?.metadata.annotations?.[annotations.minimumClaimSize];
  try {
    return text === undefined ? undefined : parseQuantity(text);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

/** The class for virtual machine disks goes before the cluster's default; among several the newest, then the first by name. */
function defaultClass(volume: DataVolume, classes: Lookup<StorageClass>): string | undefined {
  const marked = (key: string): readonly StorageClass[] =>
    classes.list().filter(({ metadata }) => metadata.annotations?.[key] === 'true');
  const virt = contentTypeOf(volume) === 'kubevirt' ? marked(annotations.defaultVirtClass) : [];
  const candidates = virt.length > 0 ? virt : marked(annotations.defaultClass);
  return candidates.toSorted(newestThenName)[0]?.metadata.name;
}

function newestThenName(a: KubeObject, b: KubeObject): number {
  const age = (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '');
  return age === 0 ? (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '') : age;
}

function modes(
  volume: DataVolume,
  claim: ClaimSpec,
  profile: StorageProfile | undefined,
): { volumeMode: VolumeMode; accessModes: readonly string[] } {
  const sets = profile?.status?.claimPropertySets ?? profile?.spec?.claimPropertySets ?? [];
  // Only spec.storage leaves room for the profile; an archive is a tree of files and always needs a filesystem.
  const named = contentTypeOf(volume) === 'archive' ? 'Filesystem' : claim.volumeMode;
  const accessModes = claim.accessModes ?? [];
  const set = volume.spec.pvc === undefined ? chooseSet(sets, named, accessModes) : undefined;
  const volumeMode = named ?? set?.volumeMode;
  return {
    volumeMode: volumeMode === 'Block' ? 'Block' : 'Filesystem',
    accessModes: accessModes.length > 0 ? accessModes : (set?.accessModes ?? ['ReadWriteOnce']),
  };
}

type PropertySet = NonNullable<NonNullable<StorageProfile['status']>['claimPropertySets']>[number];

/** The first set that fits what the user has fixed: the volume mode, else one of the access modes; the sets stand in the storage's order of preference. */
function chooseSet(
  sets: readonly PropertySet[],
  volumeMode: string | undefined,
  accessModes: readonly string[],
): PropertySet | undefined {
  if (volumeMode !== undefined) return sets.find((set) => set.volumeMode === volumeMode);
  return sets.find((set) => set.accessModes?.some((mode) => accessModes.includes(mode)) === true) ?? sets[0];
}
