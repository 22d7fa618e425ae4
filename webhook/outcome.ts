import type { DecisionRecord } from '../shared/decision/record.ts';
import { allowed, denied, withWarnings } from './respond.ts';
import type { Findings, Ruling } from './ruling.ts';

/** From the decision that was made for somebody who may clone to the answer: what is said of it, and whether it lets the object in. */
export function ruleOnRecord(uid: string, record: DecisionRecord, about: Findings): Ruling {
  const findings = { ...about, record };
  if (record.outcome !== 'refused')
    return { response: withWarnings(allowed(uid), warningsOf(record)), about: findings };
  const { reason = 'StrategyUnavailable', message = '', field = 'spec' } = record;
  return { response: denied(uid, { reason, message, causes: [{ field }] }), about: findings };
}

/** What the user should know now rather than find out later: that it will be slow, or has to wait, and why. */
export function warningsOf({ outcome, strategy, reason, message, candidates = [] }: DecisionRecord): readonly string[] {
  if (outcome === 'deferred') return [`clone waits (${reason}): ${message}`];
  const copy = candidates.find((candidate) => candidate.strategy === 'copy');
  if (strategy !== 'copy' || copy === undefined || copy.reason === 'Requested') return [];
  // The first candidate is the one that the storage prefers; when that is not the copy itself, it is what speaks against it that counts.
  const [first = copy] = candidates;
  return [`slow copy (${first.strategy}: ${first.reason}): ${first.message}`];
}
