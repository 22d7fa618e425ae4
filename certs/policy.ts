import { type Authorities, type Trusted, trustedIn } from './authorities.ts';

/**
 * When authorities and serving certificates are replaced. Everything here is a function of what was seen: the Secret, what the API
 * servers are told to trust, and the time. Each step is one write, and any replica may make it at any time, or die after it.
 */

/** Milliseconds. */
export interface Lifetimes {
  readonly authority: number;
  readonly serving: number;
  /** How long API servers are given to hear of a change of their configuration. */
  readonly overlap: number;
}

export interface View {
  /** What the Secret holds; undefined when there is none, or nothing in it. */
  readonly kept: Authorities | undefined;
  /** What this replica last saw there. */
  readonly remembered: Authorities | undefined;
  /** What the API servers are told to trust, for each webhook that is configured; in PEM. */
  readonly bundles: readonly string[];
  /** What they ought to be told; undefined when the Secret says nothing. */
  readonly wanted: string | undefined;
  /** How long this replica has seen exactly that. Never longer than in truth: it begins anew with the process. */
  readonly settled: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** The next write. `create` and `begin` need a new authority, made by whoever carries the step out. */
export type Step =
  | { readonly do: 'create'; readonly trusted: readonly Trusted[] }
  | { readonly do: 'begin'; readonly from: Authorities }
  | { readonly do: 'promote'; readonly to: Authorities }
  | { readonly do: 'drop'; readonly to: Authorities }
  | { readonly do: 'publish'; readonly bundle: string }
  | { readonly do: 'rest' };

/** @returns the one thing to be done now. */
export function nextStep(view: View, lifetimes: Lifetimes): Step {
  const { kept, now } = view;
  if (kept === undefined) return afresh(view);
  if (kept.current.notAfter <= now) return successor(kept, view);
  return published(view) ?? rotation(kept, view, lifetimes) ?? { do: 'rest' };
}

/**
 * Nothing is kept. When a replica still has the authority whose certificates are served and trusted, the new one follows it with an
 * overlap, so that removing the Secret is the way to have all replaced. Otherwise what is trusted now stays so for a while: it may be
 * that of certificates from files, served by replicas of the time before.
 */
function afresh({ remembered, bundles, now }: View): Step {
  if (remembered !== undefined && remembered.current.notAfter > now && isTrusted(remembered.current, bundles))
    return { do: 'begin', from: withoutNext(remembered) };
  return { do: 'create', trusted: unexpired(distinct(bundles), now) };
}

/** The current authority has expired, so nobody accepts it, and there is nothing to overlap with. */
function successor({ next }: Authorities, { bundles, now }: View): Step {
  if (next !== undefined && next.notAfter > now)
    return { do: 'promote', to: { current: next, previous: [], since: now } };
  return { do: 'create', trusted: unexpired(distinct(bundles), now) };
}

function published({ wanted, bundles }: View): Step | undefined {
  if (wanted === undefined || bundles.every((bundle) => bundle === wanted)) return undefined;
  return { do: 'publish', bundle: wanted };
}

function rotation(kept: Authorities, { now, settled }: View, lifetimes: Lifetimes): Step | undefined {
  const { current, next, previous, since } = kept;
  const inForce = settled >= lifetimes.overlap;
  if (next !== undefined) {
    if (!inForce) return undefined;
    return {
      do: 'promote',
      to: { current: next, previous: unexpired([...previous, publicly(current)], now), since: now },
    };
  }
  // The last certificate of a previous authority was issued before the current one began to sign.
  const served = inForce && now >= since + lifetimes.serving + lifetimes.overlap;
  if (previous.length > 0 && (served || unexpired(previous, now).length === 0))
    return { do: 'drop', to: { ...kept, previous: [] } };
  return isOld(current, lifetimes.authority, now) ? { do: 'begin', from: kept } : undefined;
}

/** Whether a third of its life is left, or less. An authority that others made may live shorter than ours do. */
function isOld({ notBefore, notAfter }: Trusted, lifetime: number, now: number): boolean {
  return notAfter - now < Math.min(lifetime, notAfter - notBefore) / 3;
}

export function isTrusted({ certificatePem }: Pick<Trusted, 'certificatePem'>, bundles: readonly string[]): boolean {
  return bundles.every((bundle) => bundle.includes(certificatePem));
}

/** What a replica serves with. */
export interface Leaf {
  /** Fingerprint of the authority that signed it. */
  readonly authority: string;
  /** Milliseconds since the Unix epoch. */
  readonly issued: number;
  readonly notAfter: number;
}

/**
 * Why a new serving certificate is needed; undefined while it is not, or not yet. The time is the machine's: it is compared again and again, so
 * that neither a sleep of the machine nor a correction of its clock is missed.
 */
export function leafDue(
  leaf: Leaf | undefined,
  { current, previous, since }: Pick<Authorities, 'current' | 'previous' | 'since'>,
  { now, settled }: Pick<View, 'now' | 'settled'>,
  { overlap }: Pick<Lifetimes, 'overlap'>,
): string | undefined {
  // Others may be called meanwhile, whom everybody trusts.
  const unheard = previous.length > 0 && settled < overlap && now < since + overlap;
  if (leaf === undefined) return unheard ? undefined : 'there is none';
  if (leaf.notAfter <= now) return 'it has expired';
  if (leaf.authority !== current.fingerprint) {
    const accepted = previous.some(({ fingerprint }) => fingerprint === leaf.authority);
    // As long as the old one is accepted, there is time to see for oneself that the new one is.
    return accepted && settled < overlap ? undefined : 'another authority signs';
  }
  if (leaf.issued > now) return 'the clock was set back';
  const oldest = leaf.issued + ((leaf.notAfter - leaf.issued) * 2) / 3;
  // What ends with its authority would end no later if it were made anew.
  return now >= oldest && leaf.notAfter < current.notAfter ? 'two thirds of its life are over' : undefined;
}

function withoutNext({ current, previous, since }: Authorities): Authorities {
  return { current, previous, since };
}

function publicly({ certificatePem, fingerprint, notBefore, notAfter }: Trusted): Trusted {
  return { certificatePem, fingerprint, notBefore, notAfter };
}

function unexpired(all: readonly Trusted[], now: number): readonly Trusted[] {
  return all.filter(({ notAfter }) => notAfter > now);
}

function distinct(bundles: readonly string[]): readonly Trusted[] {
  return [...new Map(bundles.flatMap(trustedIn).map((each) => [each.fingerprint, each])).values()];
}
