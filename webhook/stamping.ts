import { isDeepStrictEqual } from 'node:util';
import type { UserInfo } from '../shared/api/admission.ts';
import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import type { Decision } from '../shared/decision/decide.ts';
import type { Footprint } from '../shared/decision/footprint.ts';
import { encodeRecord, parseRecord } from '../shared/decision/record.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { AccessRule } from '../shared/trust/access.ts';
import type { Signer, Verifier } from '../shared/trust/keys.ts';
import {
  digestOf,
  type StampClaims,
  StampError,
  type StampIdentity,
  type StampTarget,
  signStamp,
  verifyStamp,
} from '../shared/trust/stamp.ts';
import type { WantedAnnotations } from './patch.ts';
import type { Review } from './review.ts';
import type { Resolution } from './source.ts';

/** What mutate writes for somebody who may clone: the decision and, over it, the stamp. */

export interface StampingParts {
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly clock: Pick<Clock, 'now'>;
}

/** What was found out and decided about one DataVolume. */
export interface Authorized {
  readonly review: Review;
  readonly volume: DataVolume;
  readonly via: Resolution['via'];
  readonly source: CloneSource & { readonly uid?: string };
  /** Why the user may clone it. */
  readonly rule: AccessRule;
  readonly decision: Decision;
  /** What the chosen strategy makes; undefined when none is chosen. */
  readonly makes?: readonly Footprint[] | undefined;
}

/** The annotations that the DataVolume is to have. */
export async function annotate(parts: StampingParts, authorized: Authorized): Promise<WantedAnnotations> {
  const { review, volume } = authorized;
  const before = parseRecord(volume.metadata.annotations?.[annotations.decision]);
  if (before !== undefined && (await isOurs(parts, authorized, before.id))) return volume.metadata.annotations ?? {};
  const decided = decidedAnnotations(authorized, review.uid);
  try {
    const stamp = await signStamp(parts.signer, claimsOf(parts, authorized, review.uid));
    return { ...decided, [annotations.stamp]: stamp };
  } catch (error) {
    if (!(error instanceof StampError && error.code === 'StampTooLarge')) throw error;
    return unstampable(error, review.uid);
  }
}

/** Seconds that an admission request can take at most, all webhooks and their timeouts together. */
const longestRequest = 60;

/**
 * Whether the annotations are our own from an earlier call for the same request. The API server calls again when another webhook has
 * changed the object after us; where that changes nothing of what we have to say, saying it again must not change the object, or
 * the webhooks would never come to rest. The right was asked about again just now, so a stamp that the user kept from a dry run of
 * the same clone gains nothing here: it says what a new one would say.
 */
async function isOurs(parts: StampingParts, authorized: Authorized, id: string): Promise<boolean> {
  const current = authorized.volume.metadata.annotations;
  if (digestOf(current) !== digestOf(decidedAnnotations(authorized, id))) return false;
  try {
    const {
      keyId: _,
      identity: __,
      issuedAt,
      ...said
    } = await verifyStamp(parts.verifier, current?.[annotations.stamp]);
    const { identity: ___, issuedAt: now, ...would } = claimsOf(parts, authorized, id);
    return isDeepStrictEqual(said, would) && Math.abs(now - issuedAt) <= longestRequest;
  } catch (error) {
    if (error instanceof StampError) return false;
    throw error;
  }
}

/** Absent values are `undefined`, so that what the user put in their place is removed. */
function decidedAnnotations(
  { decision, makes }: Pick<Authorized, 'decision' | 'makes'>,
  id: string,
): Record<string, string | undefined> {
  return {
    [annotations.cloneType]: decision.outcome === 'chosen' ? decision.strategy : undefined,
    [annotations.decision]: encodeRecord(decision, { id, makes }),
  };
}

/** A refusal that validate repeats to the user; without a stamp it grants nothing, whoever wrote it. */
function unstampable({ message }: StampError, id: string): WantedAnnotations {
  const refusal: Decision = { outcome: 'refused', reason: 'StampTooLarge', message, field: 'metadata' };
  return { ...decidedAnnotations({ decision: refusal }, id), [annotations.stamp]: undefined };
}

function claimsOf(parts: StampingParts, authorized: Authorized, id: string): StampClaims {
  const { review, volume, via, source, rule, decision } = authorized;
  return {
    source,
    ...(via === undefined ? {} : { via }),
    target: targetOf(volume),
    user: review.userInfo.username,
    rule,
    identity: identityOf(review.userInfo),
    requestUid: id,
    issuedAt: Math.floor(parts.clock.now() / 1000),
    // A decision that was put off is made later by the controller, which has no key to sign it with; so it is not covered.
    ...(decision.outcome === 'deferred' ? {} : { decisionDigest: digestOf(decidedAnnotations(authorized, id)) }),
  };
}

/** A name that is to be generated does not exist yet; the API server makes it after the mutating webhooks. */
function targetOf({ metadata }: DataVolume): StampTarget {
  const { namespace = '', name = '', generateName = '' } = metadata;
  return name === '' ? { namespace, generateName } : { namespace, name };
}

function identityOf({ uid, groups = [], extra = {} }: UserInfo): StampIdentity {
  return { uid, groups, extra };
}
