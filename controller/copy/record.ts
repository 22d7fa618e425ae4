import type { DataVolume } from '../../shared/api/datavolume.ts';
import { isObject, parseObject } from '../../shared/api/json.ts';
import { annotations } from '../../shared/api/names.ts';
import type { KubeObject, PersistentVolumeClaim } from '../../shared/api/objects.ts';
import { isReasonCode, type ReasonCode } from '../../shared/api/reasons.ts';

/**
 * What is remembered of a copy, and where: on the DataVolume, how often it was begun anew; on the temporary claim, of which try it is, and
 * that its volume holds all of it. A claim of an earlier try is worth nothing, unless the record says that it is kept.
 */

/** The last try that failed, and how many did. */
export interface CopyRecord {
  /** Tries that are over, whatever ended them; the number of the one that is under way. */
  readonly attempts: number;
  /** Those among them that count against the budget: not those that somebody else ended, who drained a node for example. */
  readonly failures: number;
  readonly reason: ReasonCode;
  readonly message: string;
  /** When it ended, in milliseconds since the epoch. */
  readonly at: number;
  /** Trying again is no use. */
  readonly final: boolean;
  /** It took two pods: the next one need not wait as long until it does. */
  readonly network?: true;
  /** The try whose claim the next one goes on with; absent when it begins with a blank one. */
  readonly kept?: number;
}

/** The same, of a copy that has not failed yet. */
export type CopyHistory = CopyRecord | { readonly attempts: 0; readonly failures: 0 };

const untroubled: CopyHistory = { attempts: 0, failures: 0 };

/** What cannot be read counts as nothing: at worst a copy is tried more often. */
export function historyOf({ metadata }: DataVolume): CopyHistory {
  const { attempts, failures, reason, message, at, final, network, kept } =
    parseObject(metadata.annotations?.[annotations.copy] ?? '') ?? {};
  const time = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (!isCount(attempts) || attempts === 0 || !isCount(failures) || Number.isNaN(time)) return untroubled;
  return {
    attempts,
    failures,
    reason: isReasonCode(reason) ? reason : 'CopyToolFailed',
    message: typeof message === 'string' ? message : '',
    at: time,
    final: final === true,
    ...(network === true ? { network } : {}),
    ...(isCount(kept) && kept < attempts ? { kept } : {}),
  };
}

export function failed(history: CopyHistory): history is CopyRecord {
  return history.attempts > 0;
}

/** Bytes of an annotation that others also want to read. */
const longestMessage = 1000;

/** The annotation's text. */
export function writeRecord({ at, message, ...rest }: CopyRecord): string {
  return JSON.stringify({ ...rest, message: message.slice(0, longestMessage), at: new Date(at).toISOString() });
}

/** The try that a temporary claim or a pod was made for; undefined for what was made for another strategy. */
export function attemptOf({ metadata }: KubeObject): number | undefined {
  const text = metadata.annotations?.[annotations.copyAttempt] ?? '';
  return /^\d{1,9}$/u.test(text) ? Number(text) : undefined;
}

/** What a whole copy came to. */
export interface Copied {
  readonly bytes: bigint;
  readonly seconds: number;
  /** Where it was asked for. */
  readonly digest?: string;
}

/** What stands on a temporary claim whose volume holds the whole copy. */
export function copiedOf({ metadata }: PersistentVolumeClaim): Copied | undefined {
  return readCopied(parseObject(metadata.annotations?.[annotations.copied] ?? ''));
}

export function writeCopied({ bytes, ...rest }: Copied): string {
  return JSON.stringify({ bytes: bytes.toString(), ...rest });
}

/** From an object with these members and perhaps others. */
export function readCopied(value: unknown): Copied | undefined {
  if (!isObject(value)) return undefined;
  const { bytes, seconds, digest } = value;
  if (typeof bytes !== 'string' || !/^\d{1,20}$/u.test(bytes)) return undefined;
  if (typeof seconds !== 'number' || !(seconds >= 0)) return undefined;
  const isDigest = typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/u.test(digest);
  return { bytes: BigInt(bytes), seconds, ...(isDigest ? { digest } : {}) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
