import { isObject, type JsonObject } from '../../shared/api/json.ts';
import { type FuzzCluster, keyOf } from './cluster.ts';
import type { Identity, Place, Source } from './rights.ts';

/** A body as the oracle reads it: what the requester really sent, after all damage, with nothing of the webhook's own reading. */

export interface Sent {
  /** Whether there is a uid to answer to, so that the answer has to be a review. */
  readonly uid: string | undefined;
  readonly request: JsonObject;
  readonly operation: unknown;
  readonly user: Identity;
  readonly namespace: string;
  readonly object: unknown;
  readonly oldObject: unknown;
}

/** `undefined` when the body is no JSON, which is always UTF-8. */
export function readBody(body: Buffer): Sent | undefined {
  const parsed = parse(body);
  if (parsed === undefined) return undefined;
  const request = isObject(parsed) && isObject(parsed['request']) ? parsed['request'] : {};
  const { uid, operation, userInfo, namespace, object, oldObject } = request;
  return {
    uid: typeof uid === 'string' && uid !== '' && uid.length <= 128 ? uid : undefined,
    request,
    operation,
    user: isObject(userInfo) ? userInfo : {},
    namespace: typeof namespace === 'string' ? namespace : '',
    object,
    oldObject,
  };
}

/** A byte order mark may be there and says nothing (RFC 8259, 8.1). */
function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/** What an object asks to be cloned: the words it uses, and the source they lead to. */
export interface Named {
  /** Tells one source from any other, kind and DataSource included. */
  readonly words: string;
  /** `undefined` when they lead nowhere. */
  readonly source: Source | undefined;
  /** The DataSource. */
  readonly via?: Place;
}

/**
 * Everything that the object names as a source; empty for an object that is no clone. What is not of the form that the API server lets
 * pass is named all the same, but leads nowhere: nobody has a right to it.
 */
export function sourcesOf(object: unknown, namespace: string, cluster: FuzzCluster): readonly Named[] {
  const spec = isObject(object) && isObject(object['spec']) ? object['spec'] : {};
  const source = isObject(spec['source']) ? spec['source'] : {};
  return [
    ...(['pvc', 'snapshot'] as const).flatMap((kind) => {
      if (!isThere(source, kind)) return [];
      const place = placeOf(source[kind], namespace);
      return [
        place === undefined
          ? { words: `${kind} ?`, source: undefined }
          : { words: `${kind} ${keyOf(place)}`, source: { kind, ...place } },
      ];
    }),
    ...(isThere(spec, 'sourceRef') ? [dataSource(spec['sourceRef'], namespace, cluster)] : []),
  ];
}

function dataSource(ref: unknown, namespace: string, cluster: FuzzCluster): Named {
  const named = isObject(ref) && ref['kind'] === 'DataSource' ? placeOf(ref, namespace) : undefined;
  if (named === undefined) return { words: 'DataSource ?', source: undefined };
  return { words: `DataSource ${keyOf(named)}`, source: cluster.sourceBehind(named), via: named };
}

function isThere(parent: JsonObject, key: string): boolean {
  return Object.hasOwn(parent, key) && parent[key] !== null && parent[key] !== undefined;
}

function placeOf(ref: unknown, own: string): Place | undefined {
  if (!isObject(ref)) return undefined;
  const { namespace, name } = ref;
  if (typeof name !== 'string') return undefined;
  if (namespace === undefined || namespace === null || namespace === '') return { namespace: own, name };
  return typeof namespace === 'string' ? { namespace, name } : undefined;
}

/** The annotations by which a DataVolume may get its bytes without cloning anything. */
const otherwiseFilled = ['cdi.kubevirt.io/storage.prePopulated', 'cdi.kubevirt.io/storage.checkStaticVolume'];

/** Whether it need not clone at all, though it names a source. */
export function needNotClone(object: unknown): boolean {
  const metadata = isObject(object) ? object['metadata'] : undefined;
  const annotations = isObject(metadata) ? metadata['annotations'] : undefined;
  return isObject(annotations) && otherwiseFilled.some((key) => isThere(annotations, key));
}
