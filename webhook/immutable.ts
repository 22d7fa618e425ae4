import { isDeepStrictEqual } from 'node:util';
import { isObject, type JsonObject } from '../shared/api/json.ts';
import { reservedAnnotations } from '../shared/api/names.ts';
import { parseQuantity } from '../shared/api/quantity.ts';
import { withTextSizes } from './shape.ts';

/** What may not change between an object and its update. Works on raw JSON: an old object may be of a shape that we would not admit now. */

/**
 * The members of the spec that do not mean the same any more, such as `spec.storage`. A size may be written in another unit (`1Gi`,
 * `1024Mi`): clients that apply manifests do that.
 */
export function changedSpec(before: unknown, after: unknown): readonly string[] {
  const [old, now] = [canonical(before), canonical(after)];
  if (!isObject(old) || !isObject(now)) return isDeepStrictEqual(old, now) ? [] : ['spec'];
  const members = new Set([...Object.keys(old), ...Object.keys(now)]);
  return [...members].filter((key) => !isDeepStrictEqual(own(old, key), own(now, key))).map((key) => `spec.${key}`);
}

/** `__proto__` is a name like any other here, and no object has it of itself. */
function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function canonical(spec: unknown): unknown {
  if (!isObject(spec)) return spec;
  const text = withTextSizes(spec);
  const sized = ['pvc', 'storage'].flatMap((key): [string, unknown][] => {
    const { [key]: claim } = text;
    if (!isObject(claim) || !isObject(claim['resources'])) return [];
    const resources = Object.entries(claim['resources']).map(([kind, values]) => [kind, inBytes(values)] as const);
    return [[key, { ...claim, resources: Object.fromEntries(resources) }]];
  });
  return { ...text, ...Object.fromEntries(sized) };
}

function inBytes(quantities: unknown): unknown {
  if (!isObject(quantities)) return quantities;
  return Object.fromEntries(Object.entries(quantities).map(([name, value]) => [name, bytes(value)]));
}

function bytes(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return parseQuantity(value);
  } catch {
    // No quantity: equal only to the same text.
    return value;
  }
}

/** The keys of ours whose values differ; an annotation that appears or goes counts. */
export function changedReserved(before: JsonObject, after: JsonObject): readonly string[] {
  return reservedAnnotations.filter((key) => annotationOf(before, key) !== annotationOf(after, key));
}

/** As it stands there, whatever its type. */
export function annotationOf(object: JsonObject, key: string): unknown {
  const { metadata } = object;
  const annotations = isObject(metadata) ? metadata['annotations'] : undefined;
  return isObject(annotations) ? own(annotations, key) : undefined;
}
