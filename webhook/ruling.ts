import type { AdmissionResponse } from '../shared/api/admission.ts';
import type { CloneSource } from '../shared/api/datavolume.ts';
import type { DecisionRecord } from '../shared/decision/record.ts';
import type { AccessRule } from '../shared/trust/access.ts';
import type { Review } from './review.ts';
import type { Asked } from './source.ts';

/** What a handler hands back: the answer itself, and what the audit needs to tell about it. */
export interface Ruling {
  readonly response: AdmissionResponse;
  readonly about?: Findings;
}

/** What was found out on the way to the answer. */
export interface Findings {
  readonly asked?: Asked | undefined;
  /** The source that the right was asked about. Not for the eyes of somebody without that right when a DataSource led to it. */
  readonly source?: CloneSource;
  /** How the question of the right was answered; `stamped`: mutate had asked it. */
  readonly access?: 'allowed' | 'denied' | 'error' | 'stamped';
  /** The rule that allowed it. */
  readonly rule?: AccessRule;
  readonly record?: DecisionRecord | undefined;
  /** Quotas that the clone comes near to or does not fit into, with all figures: for administrators. */
  readonly quota?: readonly string[];
  /** The refusal that was not pronounced, in shadow mode. */
  readonly spared?: AdmissionResponse;
  /** For the log, when the answer had to be given without knowing. */
  readonly error?: unknown;
}

/** One of the two webhooks. */
export interface Handler {
  readonly webhook: 'mutate' | 'validate';
  /** May throw whatever comes up; the signal aborts when the time for the answer is over. */
  rule(review: Review, signal: AbortSignal): Promise<Ruling>;
  /** The answer when `rule` threw or did not come to its end in time. Never allows anything that was not allowed before. */
  fail(review: Review, error: unknown): Ruling;
}
