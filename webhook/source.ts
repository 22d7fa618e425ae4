import {
  type CloneSource,
  type DataVolume,
  namedDataSource,
  namedSource,
  type SourceRef,
} from '../shared/api/datavolume.ts';
import type { Client } from '../shared/kube/client.ts';
import { isNotFound } from '../shared/kube/errors.ts';
import { dataSources } from '../shared/kube/resource.ts';
import { isName, isNamespace } from './dns.ts';

/** From what a DataVolume says to the thing to be cloned. */

/** The source in the requester's own words; only this is ever shown to somebody whose right is not established. */
export interface Asked {
  readonly kind: CloneSource['kind'] | 'DataSource';
  readonly namespace: string;
  readonly name: string;
  /** Where the DataVolume says so. */
  readonly field: string;
}

export interface Resolution {
  readonly asked: Asked;
  /** Undefined when a DataSource does not exist or names nothing that can be cloned. */
  readonly source?: CloneSource;
  /** The DataSource that the source was found by. */
  readonly via?: Required<SourceRef>;
}

/** What the DataVolume names, without looking anything up. @throws TypeError when it is no clone. */
export function askedOf(volume: DataVolume): Asked {
  const source = namedSource(volume);
  if (source !== undefined)
    return { ...source, field: `spec.source.${source.kind === 'PersistentVolumeClaim' ? 'pvc' : 'snapshot'}` };
  const dataSource = namedDataSource(volume);
  if (dataSource === undefined) throw new TypeError('the DataVolume names no source to clone');
  return { kind: 'DataSource', ...dataSource, field: 'spec.sourceRef' };
}

/**
 * Finds the source. A DataSource is read anew each time: it is an alias that moves, and the right to be asked about is the right to what
 * it names now. Only one step is followed; a DataSource that names another DataSource counts as one that names nothing.
 * @throws ApiError when the DataSource could not be read. That it does not exist is not an error but an answer.
 */
export async function resolveSource(
  client: Pick<Client, 'get'>,
  volume: DataVolume,
  signal: AbortSignal,
): Promise<Resolution> {
  const asked = askedOf(volume);
  const { kind, namespace, name } = asked;
  if (kind !== 'DataSource') return { asked, source: { kind, namespace, name } };
  const via = { namespace, name };
  const source = await sourceNamedBy(client, via, signal);
  return source === undefined ? { asked, via } : { asked, via, source };
}

async function sourceNamedBy(
  client: Pick<Client, 'get'>,
  ref: Required<SourceRef>,
  signal: AbortSignal,
): Promise<CloneSource | undefined> {
  try {
    const { spec } = await client.get(dataSources, ref, { signal });
    const { pvc, snapshot } = spec.source ?? {};
    const kind = pvc === undefined ? 'VolumeSnapshot' : 'PersistentVolumeClaim';
    const named = pvc ?? snapshot;
    if (named === undefined) return undefined;
    // Nobody has checked these names: the definition of DataSource lets any text pass, and they become part of a path.
    const namespace = named.namespace === undefined || named.namespace === '' ? ref.namespace : named.namespace;
    return isNamespace(namespace) && isName(named.name) ? { kind, namespace, name: named.name } : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
