import { isObject, parseObject } from '../api/json.ts';
import { KeyError } from './keys.ts';

/**
 * When stamp keys are replaced, where the webhook looks after them itself. A new key is published first, signs when everybody knows it, and
 * stays published for long after its last stamp: a clone may wait for its source for weeks. Functions of what was seen; each step is one
 * write, and any replica may make it at any time, or die after it.
 */

/** A JWK (RFC 7517) as JSON. */
export type Jwk = Readonly<Record<string, unknown>>;

/** The private keys, as the Secret keeps them. */
export interface StampRing {
  /** Signs. */
  readonly current: Jwk;
  /** Will sign as soon as everybody knows its public half. */
  readonly next?: Jwk;
  /** Public halves of those that have signed, and when they stopped; milliseconds since the Unix epoch. */
  readonly previous: readonly { readonly key: Jwk; readonly retired: number }[];
  /** When the current one began to sign; milliseconds since the Unix epoch. */
  readonly since: number;
}

/** Milliseconds. */
export interface KeyLifetimes {
  /** How long a key signs. */
  readonly signing: number;
  /** How long it is published after that. */
  readonly retention: number;
  /** How long whoever verifies is given to hear of a new one. */
  readonly overlap: number;
}

export interface KeyView {
  /** What the Secret holds; undefined when there is none, or nothing in it. */
  readonly kept: StampRing | undefined;
  /** What this replica last saw there. */
  readonly remembered: StampRing | undefined;
  /** What is published; undefined when nothing is. */
  readonly published: string | undefined;
  /** How long this replica has seen published what ought to be. */
  readonly settled: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** The next write. `create` and `begin` need a new key, made by whoever carries the step out. */
export type KeyStep =
  | { readonly do: 'create'; readonly previous: StampRing['previous'] }
  | { readonly do: 'begin'; readonly from: StampRing }
  | { readonly do: 'change'; readonly to: StampRing; readonly promotes: boolean }
  | { readonly do: 'publish'; readonly keys: string }
  | { readonly do: 'rest' };

export function nextKeyStep({ kept, remembered, published, settled, now }: KeyView, lifetimes: KeyLifetimes): KeyStep {
  if (kept === undefined) {
    const retired = keysIn(published).map((key) => ({ key, retired: now }));
    // A replica that has the private key signs with it until the next one is known; stamps of a lost one stay valid.
    return remembered === undefined
      ? { do: 'create', previous: retired }
      : { do: 'begin', from: withoutNext(remembered) };
  }
  const wanted = publicKeysOf(kept);
  if (published !== wanted) return { do: 'publish', keys: wanted };
  const { current, next, previous, since } = kept;
  if (next !== undefined) {
    if (settled < lifetimes.overlap) return { do: 'rest' };
    const retired = [...previous, { key: publicHalf(current), retired: now }];
    return { do: 'change', to: { current: next, previous: retired, since: now }, promotes: true };
  }
  const executable = previous.filter(({ retired }) => now < retired + lifetimes.retention);
  if (executable.length < previous.length)
    return { do: 'change', to: { ...kept, previous: executable }, promotes: false };
  return now >= since + lifetimes.signing ? { do: 'begin', from: kept } : { do: 'rest' };
}

/** A JWK Set of all public halves; the same keys always make the same text. */
export function publicKeysOf({ current, next, previous }: StampRing): string {
  const all = [...previous.map(({ key }) => key), current, ...(next === undefined ? [] : [next])];
  return JSON.stringify({ keys: all.map(publicHalf) });
}

export function publicHalf(key: Jwk): Jwk {
  return Object.fromEntries(Object.entries(key).filter(([name]) => name !== 'd'));
}

/** The keys of a JWK or a JWK Set; none of what is neither. */
export function keysIn(text: string | undefined): readonly Jwk[] {
  const document = text === undefined ? undefined : parseObject(text);
  if (document === undefined) return [];
  const keys: unknown = document['keys'];
  return Array.isArray(keys) ? keys.filter((key) => isObject(key)) : [document];
}

/** @returns undefined when nothing is kept there yet. @throws KeyError, which never quotes the text. */
export function parseRing(text: string): StampRing | undefined {
  if (text === '') return undefined;
  const ring = parseObject(text);
  const { current, next, previous, since } = ring ?? {};
  if (
    !isObject(current) ||
    (next !== undefined && !isObject(next)) ||
    !Array.isArray(previous) ||
    typeof since !== 'number'
  )
    throw new KeyError('keys.json is not what Clonegate writes there; delete the Secret to have new keys made');
  const retired = previous.flatMap((each: unknown) =>
    isObject(each) && isObject(each['key']) && typeof each['retired'] === 'number'
      ? [{ key: each['key'], retired: each['retired'] }]
      : [],
  );
  return { current, ...(next === undefined ? {} : { next }), previous: retired, since };
}

function withoutNext({ current, previous, since }: StampRing): StampRing {
  return { current, previous, since };
}
