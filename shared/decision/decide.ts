import { annotations, type Strategy, strategies } from '../api/names.ts';
import type { ReasonCode } from '../api/reasons.ts';
import type { CloneFacts, KnownFacts } from './facts.ts';
import { deferrals, prerequisites, refusals } from './rules.ts';

/** One strategy and what became of it. */
export interface Candidate {
  readonly strategy: Strategy;
  /** `Preferred` or `BestPossible` for the chosen one, `NotPreferred` for one that would do, else the prerequisite it lacks. */
  readonly reason: ReasonCode;
  readonly message: string;
}

export type Decision =
  | {
      readonly outcome: 'chosen';
      readonly strategy: Strategy;
      readonly candidates: readonly Candidate[];
      /** The VolumeSnapshotClass of the candidate `snapshot`; absent when that is not possible or needs none. */
      readonly snapshotClass?: string;
    }
  | { readonly outcome: 'deferred'; readonly reason: ReasonCode; readonly message: string }
  | { readonly outcome: 'refused'; readonly reason: ReasonCode; readonly message: string; readonly field: string };

/** Chooses how to clone, or says why not yet or not at all. Pure and total: every set of facts has exactly one answer. */
export function decide(facts: CloneFacts): Decision {
  for (const rule of refusals) {
    const message = rule.fails(facts);
    if (message !== undefined) return { outcome: 'refused', reason: rule.reason, message, field: rule.field(facts) };
  }
  for (const rule of deferrals) {
    const message = rule.fails(facts);
    if (message !== undefined) return { outcome: 'deferred', reason: rule.reason, message };
  }
  return choose(known(facts));
}

function choose(facts: KnownFacts): Decision {
  const { preferred } = facts.target.storage;
  const tried = inOrder(preferred.strategy).map((strategy) => ({ strategy, lacks: lacking(strategy, facts) }));
  const possible = tried.filter(({ lacks }) => lacks === undefined).map(({ strategy }) => strategy);
  const { wanted } = facts.target;
  const chosen = wanted === undefined ? possible[0] : possible.find((strategy) => strategy === wanted);
  if (chosen === undefined) return none(tried, wanted);
  const candidates = tried.map(
    ({ strategy, lacks }): Candidate => ({ strategy, ...(lacks ?? standing(strategy, chosen, facts)) }),
  );
  const takesSnapshot = facts.source.kind === 'PersistentVolumeClaim' && possible.includes('snapshot');
  const { snapshotClass } = facts.target.storage;
  const named = takesSnapshot && snapshotClass !== undefined ? { snapshotClass } : {};
  return { outcome: 'chosen', strategy: chosen, candidates, ...named };
}

/** The preferred strategy first, the others after it from cheap to dear. */
function inOrder(preferred: Strategy): readonly Strategy[] {
  return [preferred, ...strategies.filter((strategy) => strategy !== preferred)];
}

interface Standing {
  readonly reason: ReasonCode;
  readonly message: string;
}

interface Tried {
  readonly strategy: Strategy;
  readonly lacks: Standing | undefined;
}

function lacking(strategy: Strategy, facts: KnownFacts): Standing | undefined {
  for (const rule of prerequisites[strategy]) {
    const message = rule.fails(facts);
    if (message !== undefined) return { reason: rule.reason, message };
  }
  return undefined;
}

function standing(strategy: Strategy, chosen: Strategy, { target }: KnownFacts): Standing {
  const { preferred } = target.storage;
  if (strategy !== chosen) return { reason: 'NotPreferred', message: `${chosen} goes before it` };
  if (strategy === target.wanted) return { reason: 'Requested', message: `the DataVolume asks for ${strategy}` };
  if (strategy === preferred.strategy) return { reason: 'Preferred', message: `${preferred.by} asks for ${strategy}` };
  return { reason: 'BestPossible', message: `${preferred.strategy}, which ${preferred.by} asks for, is not possible` };
}

/** Nothing is possible, or not what the user insists on: the message tells what each strategy in question lacks. */
function none(tried: readonly Tried[], wanted: Strategy | undefined): Decision {
  const asked = tried.filter(({ strategy }) => wanted === undefined || strategy === wanted);
  const why = asked
    .map(({ strategy, lacks }) => `${strategy}: ${lacks?.message ?? ''} (${lacks?.reason ?? ''})`)
    .join('; ');
  return wanted === undefined
    ? { outcome: 'refused', reason: 'StrategyUnavailable', message: `no strategy can be used: ${why}`, field: 'spec' }
    : {
        outcome: 'refused',
        reason: 'StrategyNotPossible',
        message: `the strategy asked for is not possible: ${why}; leave ${annotations.strategy} out to get the best that is`,
        field: `metadata.annotations[${annotations.strategy}]`,
      };
}

function known(facts: CloneFacts): KnownFacts {
  const { storage, storageClassName } = facts.target;
  // The deferrals have answered for facts without a class; reaching this is a fault in their table.
  if (storage === undefined || storageClassName === undefined) throw new TypeError('facts without a StorageClass');
  return { ...facts, target: { ...facts.target, storage, storageClassName } };
}
