import { isObject, type JsonObject } from '../../shared/api/json.ts';
import { reserved } from './changes.ts';

/** Whether two pieces of JSON mean the same to the API server; on purpose not with the webhook's own code. */

/** One text for all objects that mean the same; `undefined` for what is nested too deeply to be compared. */
export function canonical(value: unknown): string | undefined {
  try {
    return print(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** `null` is how JSON says "not there"; the order of members does not matter. */
function print(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => print(item ?? null)).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value ?? null);
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  return `{${members
    .map(([key, member]) => `${JSON.stringify(key)}:${print(member)}`)
    .toSorted()
    .join(',')}}`;
}

/** The spec with its sizes as numbers of one unit: `1Gi` and `1024Mi` are the same. */
export function canonicalSpec(object: unknown): string | undefined {
  const spec = isObject(object) ? object['spec'] : undefined;
  if (!isObject(spec)) return canonical(spec);
  const sized = Object.entries(spec).map(([key, claim]) => [
    key,
    key === 'pvc' || key === 'storage' ? withSizes(claim) : claim,
  ]);
  return canonical(Object.fromEntries(sized));
}

function withSizes(claim: unknown): unknown {
  if (!isObject(claim) || !isObject(claim['resources'])) return claim;
  return { ...claim, resources: mapMembers(claim['resources'], (amounts) => mapMembers(amounts, size)) };
}

function mapMembers(value: unknown, change: (member: unknown) => unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, change(member)]));
}

const powers: Readonly<Record<string, readonly [base: bigint, exponent: number]>> = {
  n: [10n, -9],
  u: [10n, -6],
  m: [10n, -3],
  '': [10n, 0],
  k: [10n, 3],
  M: [10n, 6],
  G: [10n, 9],
  T: [10n, 12],
  P: [10n, 15],
  E: [10n, 18],
  Ki: [2n, 10],
  Mi: [2n, 20],
  Gi: [2n, 30],
  Ti: [2n, 40],
  Pi: [2n, 50],
  Ei: [2n, 60],
};

/** As a fraction in nano-units; texts that are no quantity stay what they are. */
function size(value: unknown): unknown {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return value;
  const [, sign = '', whole = '', , part = '', suffix = ''] =
    /^([+-]?)(\d*)(\.(\d*))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,3})?$/u.exec(text) ?? [];
  if (whole + part === '') return value;
  const [base, exponent] = powers[suffix] ?? ([10n, Number(suffix.slice(1))] as const);
  const digits = BigInt(whole + part) * 10n ** BigInt(30);
  const scaled = exponent < 0 ? digits / base ** BigInt(-exponent) : digits * base ** BigInt(exponent);
  const amount = scaled / 10n ** BigInt(part.length);
  return { amount: `${sign === '-' && amount !== 0n ? '-' : ''}${amount}` };
}

/** The annotations that are Clonegate's, as they stand on the object. */
export function reservedOf(object: unknown): JsonObject {
  const metadata = isObject(object) ? object['metadata'] : undefined;
  const given = isObject(metadata) ? metadata['annotations'] : undefined;
  if (!isObject(given)) return {};
  const ours: readonly string[] = Object.values(reserved);
  return Object.fromEntries(Object.entries(given).filter(([key, value]) => ours.includes(key) && value !== null));
}

/** The object without them; annotations that are empty then are as good as none. */
export function withoutReserved(object: unknown): string | undefined {
  if (!isObject(object) || !isObject(object['metadata'])) return canonical(object);
  const { annotations, ...metadata } = object['metadata'];
  if (annotations !== undefined && !isObject(annotations)) return canonical(object);
  const ours: readonly string[] = Object.values(reserved);
  const others = Object.entries(annotations ?? {}).filter(([key]) => !ours.includes(key));
  const rest = others.length === 0 ? metadata : { ...metadata, annotations: Object.fromEntries(others) };
  return canonical({ ...object, metadata: rest });
}
