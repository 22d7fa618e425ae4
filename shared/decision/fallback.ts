import { isObject, parseObject } from '../api/json.ts';
import { annotations, isStrategy, type Strategy } from '../api/names.ts';
import { type DecisionRecord, longestFallbacks, parseRecord } from './record.ts';

/**
 * When the storage fails at the chosen strategy for good, the clone goes on with the next candidate of its decision. That is noted in the
 * record as a last member, `fallbacks`, and nothing else of it changes: so what was decided (and stamped) at admission can be read back to
 * the letter, and only what it held possible can ever be fallen back to.
 */

export interface Fallback {
  readonly from: Strategy;
  readonly to: Strategy;
  /** What the storage said. */
  readonly message: string;
}

/** How a clone is to be made by now. */
export interface Standing {
  readonly record: DecisionRecord;
  /** The strategy that counts. */
  readonly strategy: Strategy;
  readonly fallbacks: readonly Fallback[];
}

type Annotations = Readonly<Record<string, string>>;

/** Undefined when nothing is chosen, or when annotation and record, or the fallbacks and what was decided, do not agree. */
export function standingOf(metadata: Annotations = {}): Standing | undefined {
  const record = parseRecord(metadata[annotations.decision]);
  const fallbacks = fallbacksIn(metadata[annotations.decision]);
  if (record?.strategy === undefined || fallbacks === undefined) return undefined;
  const tried = triedIn(record, record.strategy, fallbacks);
  const strategy = tried?.at(-1);
  return strategy !== undefined && strategy === metadata[annotations.cloneType]
    ? { record, strategy, fallbacks }
    : undefined;
}

/** What comes after the strategy that has failed: the next candidate that would have been possible; each is tried once. */
export function nextStrategy({ record, strategy, fallbacks }: Standing): Strategy | undefined {
  const tried = new Set([strategy, ...fallbacks.map(({ from }) => from)]);
  return possible(record).find((candidate) => !tried.has(candidate));
}

/** The annotations that say so. */
export function fallenBack({ record, fallbacks }: Standing, decision: string, fallback: Fallback): Annotations {
  const noted = [...fallbacks, fallback];
  const text = [160, 40, 0]
    .map((budget) => JSON.stringify(noted.map((one) => ({ ...one, message: one.message.slice(0, budget) }))))
    .find((list) => Buffer.byteLength(list) + member.length <= longestFallbacks);
  if (record.strategy === undefined || text === undefined)
    throw new TypeError('a fallback from nothing that was chosen');
  return {
    [annotations.cloneType]: fallback.to,
    [annotations.decision]: `${admittedText(decision).slice(0, -1)}${member}${text}}`,
  };
}

const member = ',"fallbacks":';

/** The annotations as they were before any fallback, which is how they were stamped; the same when there was none or it is not sound. */
export function asAdmitted(metadata: Annotations = {}): Annotations {
  const decision = metadata[annotations.decision];
  const standing = standingOf(metadata);
  if (decision === undefined || standing?.record.strategy === undefined || standing.fallbacks.length === 0)
    return metadata;
  return {
    ...metadata,
    [annotations.cloneType]: standing.record.strategy,
    [annotations.decision]: admittedText(decision),
  };
}

/** The record's text without its fallbacks: JSON.stringify wrote it, and keeps the order of what JSON.parse read. */
function admittedText(decision: string): string {
  const { fallbacks: _noted, ...admitted } = parseObject(decision) ?? {};
  return JSON.stringify(admitted);
}

/** Undefined when what stands there is no list of fallbacks. */
function fallbacksIn(decision = ''): readonly Fallback[] | undefined {
  const list = parseObject(decision)?.['fallbacks'] ?? [];
  return Array.isArray(list) && list.every(isFallback) ? list : undefined;
}

function isFallback(value: unknown): value is Fallback {
  if (!isObject(value)) return false;
  const { from, to, message } = value;
  return isStrategy(from) && isStrategy(to) && typeof message === 'string';
}

/** The strategies in the order they were tried, the one that counts last; undefined when one of the steps is not from the decision. */
function triedIn(
  record: DecisionRecord,
  chosen: Strategy,
  fallbacks: readonly Fallback[],
): readonly Strategy[] | undefined {
  const tried: Strategy[] = [chosen];
  for (const { from, to } of fallbacks) {
    if (from !== tried.at(-1) || tried.includes(to) || !possible(record).includes(to)) return undefined;
    tried.push(to);
  }
  return tried;
}

/** In the record's order. What the DataVolume's user insists on has no substitute. */
function possible({ candidates = [] }: DecisionRecord): readonly Strategy[] {
  if (candidates.some(({ reason }) => reason === 'Requested')) return [];
  return candidates.filter(({ reason }) => reason === 'NotPreferred').map(({ strategy }) => strategy);
}
