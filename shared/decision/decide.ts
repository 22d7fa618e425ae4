import { type Strategy, strategies } from '../api/names.ts';
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
  | { readonly outcome: 'chosen'; readonly strategy: Strategy; readonly candidates: readonly Candidate[] }
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
  const tried = inOrder(facts.target.storage.preferred.strategy).map((strategy) => ({
    strategy,
    lacks: lacking(strategy, facts),
  }));
  // `copy` lacks nothing, so there always is a first possible one.
  const chosen = tried.find(({ lacks }) => lacks === undefined)?.strategy ?? 'copy';
  const candidates = tried.map(({ strategy, lacks }): Candidate => {
    if (lacks !== undefined) return { strategy, ...lacks };
    return { strategy, ...standing(strategy, chosen, facts) };
  });
  return { outcome: 'chosen', strategy: chosen, candidates };
}

/** The preferred strategy first, the others after it from cheap to dear. */
function inOrder(preferred: Strategy): readonly Strategy[] {
  return [preferred, ...strategies.filter((strategy) => strategy !== preferred)];
}

function lacking(strategy: Strategy, facts: KnownFacts): { reason: ReasonCode; message: string } | undefined {
  for (const rule of prerequisites[strategy]) {
    const message = rule.fails(facts);
    if (message !== undefined) return { reason: rule.reason, message };
  }
  return undefined;
}

function standing(strategy: Strategy, chosen: Strategy, facts: KnownFacts): { reason: ReasonCode; message: string } {
  const { preferred } = facts.target.storage;
  if (strategy !== chosen) return { reason: 'NotPreferred', message: `${chosen} goes before it` };
  if (strategy === preferred.strategy) return { reason: 'Preferred', message: `${preferred.by} asks for ${strategy}` };
  return { reason: 'BestPossible', message: `${preferred.strategy}, which ${preferred.by} asks for, is not possible` };
}

function known(facts: CloneFacts): KnownFacts {
  const { storage, storageClassName } = facts.target;
  // The deferrals have answered for facts without a class; reaching this is a fault in their table.
  if (storage === undefined || storageClassName === undefined) throw new TypeError('facts without a StorageClass');
  return { ...facts, target: { ...facts.target, storage, storageClassName } };
}
