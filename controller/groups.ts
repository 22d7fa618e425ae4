import { type CloneSource, claimOf, type DataVolume, isClone } from '../shared/api/datavolume.ts';

/** Clones that have to share: by these values the stores find those that are not at their end. */

export const sourceGroup = ({ kind, namespace, name }: CloneSource): string => `${kind} ${namespace}/${name}`;
/** Those that name no class are a group of their own; it is that of the default. */
export const classGroup = (name: string): string => `StorageClass ${name}`;

/** @param sources what the DataVolume clones, or may. */
export function groupsOf(volume: DataVolume, sources: readonly CloneSource[]): readonly string[] {
  const { phase } = volume.status ?? {};
  if (!isClone(volume) || phase === 'Succeeded' || phase === 'Failed') return [];
  return [...sources.map(sourceGroup), classGroup(claimOf(volume)?.storageClassName ?? '')];
}
