import type { DataVolume } from '../shared/api/datavolume.ts';
import { isObject, type JsonObject } from '../shared/api/json.ts';

/**
 * From whatever the requester sent to a DataVolume whose fields have the types that we rely on. A mutating call comes before the API
 * server has held the object against its schema, so nothing may be taken for granted.
 */

/** What is wrong with one field. */
export interface Fault {
  readonly field: string;
  readonly message: string;
}

type Type = keyof typeof types;

const isText = (value: unknown): boolean => typeof value === 'string';

const types = {
  object: { is: isObject, words: 'an object' },
  text: { is: isText, words: 'a text' },
  texts: { is: (value: unknown) => Array.isArray(value) && value.every(isText), words: 'a list of texts' },
  'map of texts': {
    is: (value: unknown) => isObject(value) && Object.values(value).every(isText),
    words: 'an object whose values are texts',
  },
} as const;

const claim = (path: string): readonly (readonly [string, Type])[] => [
  [path, 'object'],
  [`${path}.accessModes`, 'texts'],
  [`${path}.storageClassName`, 'text'],
  [`${path}.volumeMode`, 'text'],
  [`${path}.resources`, 'object'],
  [`${path}.resources.requests`, 'map of texts'],
  [`${path}.resources.limits`, 'map of texts'],
];

/** Every field that the code behind this reads. Parents stand before their children. */
const shape: readonly (readonly [path: string, type: Type])[] = [
  ['metadata.name', 'text'],
  ['metadata.generateName', 'text'],
  ['metadata.uid', 'text'],
  ['metadata.creationTimestamp', 'text'],
  ['metadata.deletionTimestamp', 'text'],
  ['metadata.annotations', 'map of texts'],
  ['spec', 'object'],
  ['spec.contentType', 'text'],
  ['spec.source', 'object'],
  ['spec.source.pvc', 'object'],
  ['spec.source.pvc.namespace', 'text'],
  ['spec.source.pvc.name', 'text'],
  ['spec.source.snapshot', 'object'],
  ['spec.source.snapshot.namespace', 'text'],
  ['spec.source.snapshot.name', 'text'],
  ['spec.sourceRef', 'object'],
  ['spec.sourceRef.kind', 'text'],
  ['spec.sourceRef.namespace', 'text'],
  ['spec.sourceRef.name', 'text'],
  ...claim('spec.pvc'),
  ...claim('spec.storage'),
];

/** Without these there is nothing to read on. */
const required = new Set([
  'spec',
  'spec.source.pvc.name',
  'spec.source.snapshot.name',
  'spec.sourceRef.kind',
  'spec.sourceRef.name',
]);

export type ReadVolume =
  | { readonly volume: DataVolume; readonly faults?: never }
  | { readonly faults: readonly Fault[]; readonly volume?: never };

/**
 * @param object with `metadata`, as review.ts has checked.
 * @param namespace of the request; the object's own may still be empty.
 */
export function readVolume(object: JsonObject, namespace: string): ReadVolume {
  const volume = normalize(object, namespace);
  const faults = shape.flatMap(([path, type]) => faultAt(volume, path, type));
  return isVolume(volume, faults) ? { volume } : { faults };
}

function isVolume(_: JsonObject, faults: readonly Fault[]): _ is JsonObject & DataVolume {
  return faults.length === 0;
}

function faultAt(volume: JsonObject, path: string, type: Type): readonly Fault[] {
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let parent: unknown = volume;
  for (const key of keys) parent = isObject(parent) ? parent[key] : undefined;
  // A parent that is missing or of a wrong type has been reported as itself.
  if (!isObject(parent)) return [];
  const value = parent[last];
  if (value === undefined) return required.has(path) ? [{ field: path, message: 'must be given' }] : [];
  return types[type].is(value) ? [] : [{ field: path, message: `must be ${types[type].words}` }];
}

/** Fills in the namespace, takes `null` in the metadata for "not there" as the API server does, and sizes written as numbers for text. */
function normalize(object: JsonObject, namespace: string): JsonObject {
  const given = isObject(object['metadata']) ? object['metadata'] : {};
  const metadata = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  const spec = isObject(object['spec']) ? withTextSizes(object['spec']) : object['spec'];
  return { ...object, metadata: { ...metadata, namespace }, spec };
}

/** A quantity may be written as a number (`storage: 1073741824`); the definition allows both, and they mean the same. */
export function withTextSizes(spec: JsonObject): JsonObject {
  const sized = ['pvc', 'storage'].flatMap((key): [string, unknown][] => {
    const { [key]: claim } = spec;
    if (!isObject(claim) || !isObject(claim['resources'])) return [];
    const resources = mapObjects(claim['resources'], (value) => (typeof value === 'number' ? String(value) : value));
    return [[key, { ...claim, resources }]];
  });
  return { ...spec, ...Object.fromEntries(sized) };
}

/** `change` on every value of every object in `parent`. */
function mapObjects(parent: JsonObject, change: (value: unknown) => unknown): JsonObject {
  const mapped = Object.entries(parent).map(([key, values]): [string, unknown] => [
    key,
    isObject(values)
      ? Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]))
      : values,
  ]);
  return Object.fromEntries(mapped);
}
