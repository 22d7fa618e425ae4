import type { DataVolume } from '../shared/api/datavolume.ts';
import type { DecisionRecord } from '../shared/decision/record.ts';
import type { Advice } from './advice.ts';
import { allowed, denied, withWarnings } from './respond.ts';
import type { Findings, Ruling } from './ruling.ts';

/** From the decision that was made for somebody who may clone to the answer: what is said of it, and whether it lets the object in. */

/** A decision that refuses, told to whoever asked. */
export function refusedBy(uid: string, record: DecisionRecord, about: Findings): Ruling {
  const { reason = 'StrategyUnavailable', message = '', field = 'spec' } = record;
  return { response: denied(uid, { reason, message, causes: [{ field }] }), about: { ...about, record } };
}

/** @param advice asked for only when the decision does not refuse. */
export function ruleOnRecord(
  uid: string,
  volume: DataVolume,
  record: DecisionRecord,
  advice: () => Advice,
  about: Findings,
): Ruling {
  if (record.outcome === 'refused') return refusedBy(uid, record, about);
  const { warnings, refusal, quota } = advice();
  const findings = { ...about, record, ...(quota.length === 0 ? {} : { quota }) };
  if (refusal === undefined) return { response: withWarnings(allowed(uid), warnings), about: findings };
  const field = `spec.${volume.spec.pvc === undefined ? 'storage' : 'pvc'}.resources.requests.storage`;
  return { response: denied(uid, { reason: 'QuotaExceeded', message: refusal, causes: [{ field }] }), about: findings };
}
