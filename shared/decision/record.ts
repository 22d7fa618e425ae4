import { isObject, type JsonObject, parseObject } from '../api/json.ts';
import { isStrategy, type Strategy } from '../api/names.ts';
import { formatQuantity } from '../api/quantity.ts';
import { isReasonCode, type ReasonCode } from '../api/reasons.ts';
import type { Candidate, Decision } from './decide.ts';
import type { Footprint } from './footprint.ts';
import { readPlan, readSize, writePlan } from './plan.ts';

/**
 * The decision as it stands on the DataVolume (annotation `clonegate.io/decision`): compact JSON that people and programs read. It is
 * the only thing that webhook and controller share about meaning, so its shape carries a version.
 */
export interface DecisionRecord {
  readonly v: 1;
  /** The decision's id: uid of the AdmissionReview that made it. */
  readonly id: string;
  readonly outcome: Decision['outcome'];
  readonly strategy?: Strategy;
  readonly reason?: ReasonCode;
  readonly message?: string;
  /** Field of the DataVolume that a refusal is about. */
  readonly field?: string;
  readonly candidates?: readonly Candidate[];
  /** The VolumeSnapshotClass of the candidate `snapshot`. */
  readonly snapshotClass?: string;
  /** Bytes of the target; undefined when nothing is chosen yet, or when nobody knows. */
  readonly size?: bigint;
  /** Everything that the clone makes, by namespace, the target's first. */
  readonly makes?: readonly Footprint[];
  /** UID of a source that was not there at admission, so that the stamp does not have it: from here on the clone is bound to this one. */
  readonly sourceUid?: string;
}

/** What is recorded beside the decision itself. */
export interface RecordMeta {
  readonly id: string;
  readonly makes?: readonly Footprint[] | undefined;
  readonly sourceUid?: string | undefined;
}

/** A decision never takes more bytes than this on an object. */
const longest = 2048;
/** What is noted at its end when it has to be left (fallback.ts) may take so many more. */
export const longestFallbacks = 512;
/** Messages are cut to this many characters first, then to none at all: codes are never dropped. */
const messageBudgets = [400, 120, 0];

/** The annotation's value; at most 2 KiB, messages shortened as far as that needs. */
export function encodeRecord(decision: Decision, meta: RecordMeta): string {
  for (const budget of messageBudgets) {
    const text = JSON.stringify(recordOf(decision, meta, budget));
    if (Buffer.byteLength(text) <= longest) return text;
  }
  return JSON.stringify({ ...recordOf(decision, { id: meta.id.slice(0, 64) }, 0), field: undefined });
}

function recordOf(decision: Decision, { id, makes, sourceUid }: RecordMeta, budget: number): JsonObject {
  const cut = (text: string): string => (text.length <= budget ? text : `${text.slice(0, Math.max(0, budget - 1))}…`);
  if (decision.outcome === 'chosen') {
    const candidates = decision.candidates.map((candidate) => ({ ...candidate, message: cut(candidate.message) }));
    const { strategy, snapshotClass } = decision;
    const named = snapshotClass === undefined ? {} : { snapshotClass };
    const known = sourceUid === undefined ? {} : { sourceUid };
    return { v: 1, id, outcome: 'chosen', strategy, ...known, ...planOf(makes), ...named, candidates };
  }
  const { outcome, reason } = decision;
  const field = decision.outcome === 'refused' ? { field: decision.field } : {};
  return { v: 1, id, outcome, reason, message: cut(decision.message), ...field };
}

function planOf(makes: readonly Footprint[] | undefined): JsonObject {
  if (makes === undefined) return {};
  const size = makes[0]?.claims[0]?.size;
  return { ...(size === undefined ? {} : { size: formatQuantity(size) }), makes: writePlan(makes) };
}

/**
 * Reads a record back. The text may come from anyone who can write an annotation: whatever is not exactly a record gives undefined.
 */
export function parseRecord(text: string | undefined): DecisionRecord | undefined {
  if (text === undefined || Buffer.byteLength(text) > longest + longestFallbacks) return undefined;
  const value = parseObject(text);
  if (value?.['v'] !== 1 || typeof value['id'] !== 'string') return undefined;
  if (value['fallbacks'] === undefined && Buffer.byteLength(text) > longest) return undefined;
  const { outcome } = value;
  if (outcome === 'chosen') return chosenRecord(value, value['id']);
  if (outcome !== 'deferred' && outcome !== 'refused') return undefined;
  const { reason, message, field } = value;
  if (!isReasonCode(reason) || typeof message !== 'string') return undefined;
  return { v: 1, id: value['id'], outcome, reason, message, ...(typeof field === 'string' ? { field } : {}) };
}

function chosenRecord(value: JsonObject, id: string): DecisionRecord | undefined {
  const { strategy, candidates, snapshotClass, sourceUid } = value;
  if (snapshotClass !== undefined && typeof snapshotClass !== 'string') return undefined;
  if (sourceUid !== undefined && typeof sourceUid !== 'string') return undefined;
  if (!isStrategy(strategy) || !Array.isArray(candidates) || !candidates.every(isCandidate)) return undefined;
  const size = readSize(value['size']);
  const makes = value['makes'] === undefined ? [] : readPlan(value['makes']);
  if (size === 'none' || makes === undefined) return undefined;
  const plan = { ...(size === undefined ? {} : { size }), ...(makes.length === 0 ? {} : { makes }) };
  const named = snapshotClass === undefined ? {} : { snapshotClass };
  const known = sourceUid === undefined ? {} : { sourceUid };
  return { v: 1, id, outcome: 'chosen', strategy, ...known, ...plan, ...named, candidates };
}

function isCandidate(value: unknown): value is Candidate {
  return (
    isObject(value) &&
    isStrategy(value['strategy']) &&
    isReasonCode(value['reason']) &&
    typeof value['message'] === 'string'
  );
}
