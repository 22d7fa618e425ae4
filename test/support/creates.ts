import type { DataVolume } from '../../shared/api/datavolume.ts';
import { annotations } from '../../shared/api/names.ts';
import type { ClusterAccess } from './cluster/index.ts';

/** Clones created without a pause, while something happens to the webhook. */

export interface Tally {
  created: number;
  readonly failures: string[];
}

export interface Pace {
  /** Everything but storing them. */
  readonly dryRun?: boolean;
  /** Resolves when the next one may be created. */
  readonly turn?: () => Promise<void>;
}

/** Creates clones like this one, one after the other, until told to stop. */
export async function createOn(
  { api }: Pick<ClusterAccess, 'api'>,
  like: DataVolume,
  stop: AbortSignal,
  tally: Tally,
  pace: Pace = {},
): Promise<void> {
  const query = pace.dryRun === true ? '?dryRun=All' : '';
  const path = `/apis/cdi.kubevirt.io/v1beta1/namespaces/${like.metadata.namespace}/datavolumes${query}`;
  while (!stop.aborted) {
    try {
      const volume = await api.post<DataVolume>(path, like);
      if (volume.metadata.annotations?.[annotations.stamp] === undefined) tally.failures.push('let in without a stamp');
      tally.created += 1;
    } catch (error) {
      tally.failures.push(String(error));
    }
    await pace.turn?.();
  }
}
