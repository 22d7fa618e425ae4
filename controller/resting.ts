import { type DataVolume, type DataVolumeStatus, isClone } from '../shared/api/datavolume.ts';
import type { KubeObject, Stored } from '../shared/api/objects.ts';
import { identityOf, withoutManagedFields } from '../shared/kube/store.ts';
import { hasFinalizer } from './children.ts';
import { sourcesOf } from './hint.ts';

/**
 * DataVolumes with which nothing is to be done, nearly all of a cluster in use: clones at their end, and what is no clone. Of these little
 * is kept in memory; stamp, decision and spec of one are read again should it have to be looked at after all.
 */
export interface RestingVolume extends KubeObject {
  /** Why. */
  readonly resting: 'finished' | 'no clone';
  readonly status?: Pick<DataVolumeStatus, 'phase'>;
  /** Of a clone: where its children were made. */
  readonly sourceNamespace?: string;
}

/** What the stores know of a DataVolume: all of it, or that it rests. */
export type KnownVolume = DataVolume | RestingVolume;

export function knownVolume(volume: Stored<DataVolume>): Stored<KnownVolume> {
  const resting = reasonToRest(volume);
  if (resting === undefined) return withoutManagedFields(volume);
  const { phase } = volume.status ?? {};
  const sourceNamespace = sourcesOf(volume)[0]?.namespace;
  return {
    metadata: identityOf(volume.metadata),
    resting,
    ...(phase === undefined ? {} : { status: { phase } }),
    ...(sourceNamespace === undefined ? {} : { sourceNamespace }),
  };
}

export function isResting(volume: Stored<KnownVolume>): volume is Stored<RestingVolume> {
  return 'resting' in volume;
}

/** Of which everything is known. */
export function isAwake(volume: Stored<KnownVolume>): volume is Stored<DataVolume> {
  return !isResting(volume);
}

/** What goes, or has to be let go of, is looked at once more, whatever it is. */
function reasonToRest(volume: DataVolume): RestingVolume['resting'] | undefined {
  if (volume.metadata.deletionTimestamp !== undefined || hasFinalizer(volume)) return undefined;
  if (!isClone(volume)) return 'no clone';
  const { phase, conditions = [] } = volume.status ?? {};
  const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  return phase === 'Succeeded' && isReady ? 'finished' : undefined;
}
