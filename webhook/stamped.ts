import { type CloneSource, type DataVolume, namedSource } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import { type DecisionRecord, parseRecord } from '../shared/decision/record.ts';
import type { AccessRule } from '../shared/trust/access.ts';
import type { Verifier } from '../shared/trust/keys.ts';
import { matchStamp, matchUser, StampError, type VerifiedStamp, verifyStamp } from '../shared/trust/stamp.ts';

/** What is wrong with the stamp of a DataVolume, when its decision may not be relied on. */
export interface Flaw {
  readonly reason: 'StampMissing' | 'StampInvalid' | 'StampMismatch';
  readonly message: string;
}

/** What the DataVolume carries, when it may be relied on. */
export interface Stamped {
  readonly record: DecisionRecord;
  /** What it was made for. */
  readonly source: CloneSource;
  /** Why its user may clone. */
  readonly rule: AccessRule;
}

/**
 * The decision that the DataVolume carries, when its stamp is genuine, belongs to this DataVolume and this user, and covers that
 * decision. Needs no question to anybody.
 */
export async function readDecision(verifier: Verifier, volume: DataVolume, username: string): Promise<Stamped | Flaw> {
  const stamp = await verified(verifier, volume);
  if ('reason' in stamp) return stamp;
  // A DataSource is not followed again: the stamp says where it led, and covers which DataSource it was.
  const differs = matchUser(stamp, username) ?? matchStamp(stamp, volume, namedSource(volume) ?? stamp.source);
  if (differs !== undefined) return differs;
  const record = parseRecord(volume.metadata.annotations?.[annotations.decision]);
  if (record === undefined || !covers(stamp, record, volume))
    return { reason: 'StampMismatch', message: 'the authorization stamp was made for another decision' };
  return { record, source: stamp.source, rule: stamp.rule };
}

async function verified(verifier: Verifier, volume: DataVolume): Promise<VerifiedStamp | Flaw> {
  try {
    return await verifyStamp(verifier, volume.metadata.annotations?.[annotations.stamp]);
  } catch (error) {
    if (!(error instanceof StampError)) throw error;
    return { reason: error.code === 'StampMissing' ? 'StampMissing' : 'StampInvalid', message: error.message };
  }
}

/** matchStamp has compared the digest where there is one. A stamp without one was made with a decision that was put off, and only for that. */
function covers({ decisionDigest, requestUid }: VerifiedStamp, record: DecisionRecord, volume: DataVolume): boolean {
  const putOff = record.outcome === 'deferred' && volume.metadata.annotations?.[annotations.cloneType] === undefined;
  return record.id === requestUid && (decisionDigest !== undefined || putOff);
}
