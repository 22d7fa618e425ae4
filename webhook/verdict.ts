import type { AdmissionResponse } from '../shared/api/admission.ts';
import { auditKeys } from '../shared/api/names.ts';
import { isReasonCode, type ReasonCode } from '../shared/api/reasons.ts';
import { withAudit } from './respond.ts';
import type { Review } from './review.ts';
import type { Findings, Handler, Ruling } from './ruling.ts';
import type { Asked } from './source.ts';
import { cut, oneLine } from './words.ts';

/** What one call came to, read off the response that is sent: the one value that every sink of the audit tells of. */
export interface Verdict {
  readonly webhook: Handler['webhook'];
  readonly review: Review;
  /** `error`: neither yes nor no, because nobody could tell. `would-…`: what was let pass in shadow mode. */
  readonly decision: 'allow' | 'deny' | 'error' | 'would-deny' | 'would-error';
  /** Why; undefined when something was simply let through. */
  readonly reason: ReasonCode | undefined;
  /** What the requester was told, or in shadow mode would have been; empty when allowed. */
  readonly message: string;
  /** The same in both webhooks, where mutate made a decision; else the uid of this call. */
  readonly decisionId: string;
  readonly warnings: readonly string[];
  readonly about: Findings;
}

export function verdictOf(webhook: Handler['webhook'], review: Review, { response, about = {} }: Ruling): Verdict {
  const { record, spared } = about;
  const decision = decisionOf(spared ?? response);
  return {
    webhook,
    review,
    decision: spared === undefined || decision === 'allow' ? decision : `would-${decision}`,
    reason: reasonOf(spared ?? response, about),
    message: (spared ?? response).status?.message ?? '',
    decisionId: record?.id ?? review.uid,
    warnings: response.warnings ?? [],
    about,
  };
}

/** 403 and 422 are answers about the requester and the object; all else says that there was none. */
function decisionOf({ allowed, status }: AdmissionResponse): 'allow' | 'deny' | 'error' {
  if (allowed) return 'allow';
  return status?.code === 403 || status?.code === 422 ? 'deny' : 'error';
}

function reasonOf({ status }: AdmissionResponse, { record }: Findings): ReasonCode | undefined {
  const code = status?.details?.causes[0]?.reason;
  if (isReasonCode(code)) return code;
  return record?.reason ?? record?.candidates?.find(({ strategy }) => strategy === record.strategy)?.reason;
}

/** Adds what belongs into the API server's audit log: the record that stays when events have expired. Only admins read it. */
export function audited(verdict: Verdict, response: AdmissionResponse): AdmissionResponse {
  const { decision, reason, decisionId, about } = verdict;
  const entries = {
    [auditKeys.decision]: decision,
    [auditKeys.decisionId]: decisionId,
    [auditKeys.reason]: reason,
    [auditKeys.access]: about.access,
    [auditKeys.strategy]: about.record?.strategy,
    [auditKeys.rule]: about.rule,
    [auditKeys.source]: about.source === undefined || isSecret(about) ? undefined : nameOf(about.source),
    [auditKeys.asked]: about.asked === undefined ? undefined : nameOf(about.asked),
  };
  const known = Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
  return withAudit(response, Object.fromEntries(known));
}

/**
 * Where a DataSource leads, when that is somewhere the user may not clone from: the answer is then the same to the byte, wherever it leads
 * and whether it exists. The log and the administrator's event tell.
 */
function isSecret({ access, asked }: Findings): boolean {
  return access === 'denied' && asked?.kind === 'DataSource';
}

/** `Kind namespace/name`. An old object may hold names that nobody has checked. */
export function nameOf({ kind, namespace, name }: Pick<Asked, 'kind' | 'namespace' | 'name'>): string {
  return cut(oneLine(`${kind} ${namespace}/${name}`), 400);
}
