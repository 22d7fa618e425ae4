import { isObject, type JsonObject } from '../../shared/api/json.ts';

/** Alterations of an object, as data: what a user does to a manifest, and what another webhook does to an object. */

export type Change =
  | { readonly set: readonly string[]; readonly to: unknown }
  | { readonly remove: readonly string[] }
  /** Annotations taken from another object, or forged after one. */
  | { readonly borrow: number; readonly keys: 'all' | 'stamp' | 'decision'; readonly twist: Twist };

export interface Twist {
  readonly kind: 'none' | 'flip' | 'cut' | 'double' | 'payload' | 'unsigned' | 'padded';
  /** Where, as a share of the text. */
  readonly at: number;
}

export const reserved = {
  cloneType: 'cdi.kubevirt.io/cloneType',
  decision: 'clonegate.io/decision',
  stamp: 'clonegate.io/stamp',
} as const;

/** @param lender the annotations of other objects, by number. */
export function changed(
  object: unknown,
  changes: readonly Change[],
  lender: (index: number) => JsonObject | undefined,
): unknown {
  return changes.reduce((now, change) => {
    if ('set' in change) return setAt(now, change.set, change.to);
    if ('remove' in change) return setAt(now, change.remove, undefined);
    return borrowed(now, change, lender(change.borrow) ?? {});
  }, object);
}

/** A copy with `value` at the path, whatever stood in the way; `undefined` takes the member away. `__proto__` is a name like any other. */
export function setAt(object: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const parent: JsonObject = isObject(object) ? object : {};
  const before = Object.hasOwn(parent, key) ? parent[key] : undefined;
  if (value === undefined && before === undefined) return object;
  const entries = Object.entries(parent).filter(([name]) => name !== key);
  const after = setAt(before, rest, value);
  return Object.fromEntries(after === undefined ? entries : [...entries, [key, after]]);
}

function borrowed(object: unknown, change: Extract<Change, { borrow: number }>, from: JsonObject): unknown {
  const keys = change.keys === 'all' ? Object.values(reserved) : [reserved[change.keys]];
  return keys.reduce<unknown>((now, key) => {
    const value = from[key];
    const text = key === reserved.stamp && typeof value === 'string' ? twisted(value, change.twist, now) : value;
    return setAt(now, ['metadata', 'annotations', key], text);
  }, object);
}

function twisted(stamp: string, { kind, at }: Twist, onto: unknown): string {
  const place = Math.floor(at * stamp.length);
  switch (kind) {
    case 'none':
      return stamp;
    case 'flip':
      return `${stamp.slice(0, place)}${stamp[place] === 'A' ? 'B' : 'A'}${stamp.slice(place + 1)}`;
    case 'cut':
      return stamp.slice(0, place);
    case 'double':
      return stamp + stamp.slice(place);
    case 'padded':
      return `${stamp.slice(0, place)}=${stamp.slice(place)}`;
    case 'payload':
      return reworded(stamp, onto, false);
    case 'unsigned':
      return reworded(stamp, onto, true);
  }
}

/** The stamp with a payload that says what the object would need, under the old signature or none. */
function reworded(stamp: string, onto: unknown, unsigned: boolean): string {
  const [header = '', payload = '', signature = ''] = stamp.split('.');
  const says: unknown = parsed(Buffer.from(payload, 'base64url').toString());
  const metadata = isObject(onto) && isObject(onto['metadata']) ? onto['metadata'] : {};
  const target = { ns: metadata['namespace'], n: metadata['name'] };
  const words = base64url({ ...(isObject(says) ? says : {}), dst: target, sub: 'mallory' });
  return unsigned ? `${base64url({ alg: 'none' })}.${words}.` : `${header}.${words}.${signature}`;
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
