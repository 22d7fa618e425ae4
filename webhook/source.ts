import {
  type CloneSource,
  type DataSource,
  type DataVolume,
  namedDataSource,
  namedSource,
  type SourceRef,
} from '../shared/api/datavolume.ts';
import type { Served } from '../shared/kube/served.ts';
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

/**
 * `via` is the DataSource that was followed. Without a source: it does not exist, or names nothing that can be cloned; or what it names is
 * `outside` of what is served, which is for administrators alone to know.
 */
export type Resolution = { readonly asked: Asked } & (
  | { readonly source: CloneSource; readonly via?: Required<SourceRef>; readonly outside?: never }
  | { readonly source?: never; readonly via: Required<SourceRef>; readonly outside?: CloneSource }
);

/** What the DataVolume names, without looking anything up. @throws TypeError when it is no clone. */
export function askedOf(volume: DataVolume): Asked {
  const source = namedSource(volume);
  if (source !== undefined)
    return { ...source, field: `spec.source.${source.kind === 'PersistentVolumeClaim' ? 'pvc' : 'snapshot'}` };
  const dataSource = namedDataSource(volume);
  if (dataSource === undefined) throw new TypeError('the DataVolume names no source to clone');
  return { kind: 'DataSource', ...dataSource, field: 'spec.sourceRef' };
}

/** Finds a DataSource. A promise, or the object itself. */
type FindDataSource = (ref: Required<SourceRef>) => DataSource | undefined | Promise<DataSource | undefined>;

/**
 * Where the DataVolume leads. A DataSource is followed anew each time: it is an alias that moves, and the right to be asked about is the
 * right to what it names now.
 */
export async function resolveSource(
  volume: DataVolume,
  find: FindDataSource,
  { includes }: Pick<Served, 'includes'>,
): Promise<Resolution> {
  const asked = askedOf(volume);
  const { kind, namespace, name } = asked;
  if (kind !== 'DataSource') return { asked, source: { kind, namespace, name } };
  const via = { namespace, name };
  const source = await sourceNamedBy(via, (ref) => (includes(ref.namespace) ? find(ref) : undefined), mostSteps);
  if (source === undefined) return { asked, via };
  return includes(source.namespace) ? { asked, via, source } : { asked, via, outside: source };
}

/** A DataSource may name another one, and that a claim or a snapshot (cdi-behaviour 1.2, step 4). */
const mostSteps = 2;

/**
 * CDI goes by the status of a DataSource that names another one. Here the specs themselves are followed: a status may be behind, and
 * where CDI does not run there is none.
 */
async function sourceNamedBy(
  ref: Required<SourceRef>,
  find: FindDataSource,
  steps: number,
): Promise<CloneSource | undefined> {
  if (steps === 0) return undefined;
  const { pvc, snapshot, dataSource } = (await find(ref))?.spec.source ?? {};
  const named = pvc ?? snapshot ?? dataSource;
  const next = named === undefined ? undefined : placeOf(named, ref.namespace);
  if (next === undefined) return undefined;
  if (pvc !== undefined) return { kind: 'PersistentVolumeClaim', ...next };
  return snapshot === undefined ? await sourceNamedBy(next, find, steps - 1) : { kind: 'VolumeSnapshot', ...next };
}

/**
 * An empty namespace is that of the DataSource which says so. (CDI's webhook takes the DataVolume's and CDI's controller the DataSource's,
 * cdi-behaviour 9.19; only the latter means the same to everybody who uses the DataSource.)
 */
function placeOf({ namespace = '', name }: SourceRef, own: string): Required<SourceRef> | undefined {
  const place = { namespace: namespace === '' ? own : namespace, name };
  // Nobody has checked these names: the definition of DataSource lets any text pass, and they become part of a path.
  return isNamespace(place.namespace) && isName(place.name) ? place : undefined;
}
