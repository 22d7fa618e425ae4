import type { Toleration } from '../api/pod.ts';
import { isQuantity, parseQuantity } from '../api/quantity.ts';

/** The kinds of values that a setting can have: how each is read from text and described to people. */

/** All that is wrong with the settings that a program was given. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly faults: readonly string[];

  constructor(program: string, faults: readonly string[]) {
    super(`the settings of the ${program} are not usable:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.faults = faults;
  }
}

export interface Kind<T> {
  /** What may be given, in words that fit behind "allowed is". */
  readonly allowed: string;
  /** A flag of this kind stands for `true` when it has no value. */
  readonly isBool: boolean;
  /** `undefined` when the text is not of this kind. */
  parse(text: string): T | undefined;
  /** The text that {@link parse} would read as this value. */
  print(value: unknown): string;
}

function kind<T>(allowed: string, parse: (text: string) => T | undefined, rest: Partial<Kind<T>> = {}): Kind<T> {
  return { allowed, isBool: false, parse, print: String, ...rest };
}

export const text: Kind<string> = kind('text', (given) => (given.trim() === '' ? undefined : given));

export const path: Kind<string> = kind('file', (given) => (given.trim() === '' ? undefined : given));

export const bool: Kind<boolean> = kind(
  'true or false',
  (given) => (given === 'true' ? true : given === 'false' ? false : undefined),
  { isBool: true },
);

/** Texts separated by commas; none at all when empty. */
export const list: Kind<readonly string[]> = kind(
  'list, separated by commas',
  (given) => given.split(',').flatMap((each) => (each.trim() === '' ? [] : [each.trim()])),
  { print: (value) => (Array.isArray(value) ? value.join(',') : '') },
);

/** Bytes. */
export const quantity: Kind<bigint> = kind('quantity such as 100M or 64Mi', bytesIn);

function bytesIn(given: string): bigint | undefined {
  const bytes = isQuantity(given) ? parseQuantity(given) : -1n;
  return bytes >= 0n ? bytes : undefined;
}

type Texts = Readonly<Record<string, string>>;

function pairs(allowed: string, isPair: (key: string, value: string) => boolean): Kind<Texts> {
  return kind(
    allowed,
    (given) => {
      const entries = list.parse(given)?.map((each) => /^([^=]+)=(.*)$/u.exec(each)?.slice(1) ?? []) ?? [];
      const isGood = entries.every(([key = '', value = '']) => isPair(key, value));
      return isGood ? Object.fromEntries(entries.map(([key = '', value = '']) => [key, value])) : undefined;
    },
    {
      print: (value) =>
        Object.entries(value ?? {})
          .map(([key, text]) => `${key}=${text}`)
          .join(','),
    },
  );
}

const word = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/u;
const isLabelKey = (key: string): boolean =>
  /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/u.test(key);

/** Amounts of resources, as a container asks for them. */
export const amounts: Kind<Texts> = pairs(
  'resources such as cpu=100m,memory=64Mi',
  (key, value) => isLabelKey(key) && bytesIn(value) !== undefined,
);

/** Labels that a node has to have. */
export const labels: Kind<Texts> = pairs(
  'labels such as disk=fast,zone=a',
  (key, value) => isLabelKey(key) && (value === '' || word.test(value)),
);

const effects: ReadonlySet<string> = new Set(['NoSchedule', 'PreferNoSchedule', 'NoExecute']);

/** As `kubectl taint` writes taints, without an effect for all of them, without a value for any; a single `*` tolerates everything. */
export const tolerations: Kind<readonly Toleration[]> = kind(
  'taints such as storage=busy:NoSchedule,maintenance, or * for all',
  (given) => {
    const found = (list.parse(given) ?? []).map(toleration);
    const good = found.filter((each) => each !== undefined);
    return good.length === found.length ? good : undefined;
  },
  { print: (value) => (Array.isArray(value) ? value.map(printToleration).join(',') : '') },
);

function toleration(given: string): Toleration | undefined {
  if (given === '*') return { operator: 'Exists' };
  const {
    key = '',
    value,
    effect,
  } = /^(?<key>[^=:]+)(?:=(?<value>[^:]*))?(?::(?<effect>\w+))?$/u.exec(given)?.groups ?? {};
  if (!isLabelKey(key) || (effect !== undefined && !effects.has(effect))) return undefined;
  if (value !== undefined && value !== '' && !word.test(value)) return undefined;
  const tolerated: Toleration = value === undefined ? { key, operator: 'Exists' } : { key, operator: 'Equal', value };
  return effect === undefined ? tolerated : { ...tolerated, effect };
}

function printToleration({ key, value, effect }: Toleration): string {
  return `${key ?? '*'}${value === undefined ? '' : `=${value}`}${effect === undefined ? '' : `:${effect}`}`;
}

/** A DNS label (RFC 1123), which names of namespaces are. */
export const namespaceName: Kind<string> = kind('name of a namespace', (given) =>
  /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/u.test(given) ? given : undefined,
);

/** Names of namespaces, each once. A comma too many is a name that is missing, for instance one that a template was to fill in. */
export const namespaceNames: Kind<readonly string[]> = kind(
  'names of namespaces, each once, separated by commas',
  (given) => {
    const names = given.split(',').map((each) => each.trim());
    const sound = names.every((each) => namespaceName.parse(each) !== undefined);
    return sound && new Set(names).size === names.length ? names : undefined;
  },
  { print: (value) => list.print(value) },
);

export function choice<T extends string>(allowed: readonly T[]): Kind<T> {
  return kind(allowed.join(', '), (given) => allowed.find((each) => each === given));
}

/** A whole number, both ends included. */
export function integer(least: number, most: number): Kind<number> {
  return kind(`whole number from ${least} to ${most}`, (given) => {
    const value = /^\d{1,15}$/u.test(given) ? Number(given) : Number.NaN;
    return value >= least && value <= most ? value : undefined;
  });
}

const milliseconds: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
/** Longest that a timer of Node can wait. */
const longestDuration = 2 ** 31 - 1;

/** A duration as Go writes it (`15s`, `1m30s`, `250ms`, `1.5h`), in milliseconds and at least `least` of them; by default what a timer can wait at most. */
export function duration(least: number, most: number = longestDuration): Kind<number> {
  const allowed = `duration such as 15s or 1m30s, at least ${printDuration(least)}`;
  return kind(
    allowed,
    (given) => {
      if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|m|s))+$/u.test(given)) return undefined;
      const parts = [...given.matchAll(/([\d.]+)([a-z]+)/gu)];
      const value = parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (milliseconds[unit] ?? 0), 0);
      return value >= least && value <= most ? value : undefined;
    },
    { print: (value) => printDuration(Number(value)) },
  );
}

function printDuration(value: number): string {
  if (value === 0) return '0s';
  const parts: string[] = [];
  let rest = value;
  for (const [unit, size] of Object.entries(milliseconds)) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.join('');
}
