import { claimOf, contentTypeOf, type DataVolume } from '../api/datavolume.ts';
import { annotations } from '../api/names.ts';
import type { ClaimSpec, KubeObject, StorageClass, StorageProfile, VolumeMode } from '../api/objects.ts';
import { parseQuantity } from '../api/quantity.ts';

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
  /** Bytes; undefined when the size is to be the source's. */
  readonly requested?: bigint;
}

interface TargetInput {
  readonly volume: DataVolume;
  readonly storageClasses: Lookup<StorageClass>;
  readonly storageProfiles: Lookup<StorageProfile>;
}

/**
 * Renders the target claim as CDI does (cdi-behaviour 2.1, step 3): `spec.pvc` is taken as it stands; what `spec.storage` leaves out
 * comes from the class's StorageProfile.
 * @throws QuantityError when the size is no quantity.
 */
export function renderTarget({ volume, storageClasses, storageProfiles }: TargetInput): TargetClaim {
  const claim = claimOf(volume) ?? {};
  const storageClassName = claim.storageClassName ?? defaultClass(volume, storageClasses);
  const profile = storageClassName === undefined ? undefined : storageProfiles.get(storageClassName);
  const request = claim.resources?.requests?.['storage'];
  return {
    ...(storageClassName === undefined ? {} : { storageClassName }),
    ...modes(volume, claim, profile),
    ...(request === undefined ? {} : { requested: parseQuantity(request) }),
  };
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
  const named = contentTypeOf(volume) === 'archive' ? (claim.volumeMode ?? 'Filesystem') : claim.volumeMode;
  const set =
    volume.spec.pvc !== undefined
      ? undefined
      : sets.find(({ volumeMode }) => named === undefined || volumeMode === named);
  const volumeMode = named ?? set?.volumeMode;
  const accessModes = claim.accessModes ?? [];
  return {
    volumeMode: volumeMode === 'Block' ? 'Block' : 'Filesystem',
    accessModes: accessModes.length > 0 ? accessModes : (set?.accessModes ?? ['ReadWriteOnce']),
  };
}
