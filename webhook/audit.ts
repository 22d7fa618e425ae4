import type { Recorder } from '../shared/kube/events.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import { type EventPolicy, noticesOf, targetOf } from './notices.ts';
import type { Handler } from './ruling.ts';
import { nameOf, type Verdict } from './verdict.ts';
import { cut } from './words.ts';

/** One call, one verdict, and its sinks beside the response: event, log line, counter. */

export interface AuditParts {
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'admissionRequests' | 'admissionDuration' | 'decisions'>;
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly events: EventPolicy;
}

export interface Audit {
  /** Tells all sinks, once the response was sent. Never throws: the answer is given, and no sink may take the others with it. */
  tell(verdict: Verdict, seconds: number): void;
  /** A call that was no readable review: there is nobody and nothing to tell of, but an administrator has to know of it. */
  malformed(webhook: Handler['webhook'], message: string): void;
}

export function createAudit(parts: AuditParts): Audit {
  const { log, metrics, recorder, events } = parts;
  const sinks: readonly ((verdict: Verdict, seconds: number) => void)[] = [
    (verdict, seconds) => count(parts, verdict, seconds),
    (verdict, seconds) => write(parts, verdict, seconds),
    (verdict) => noticesOf(events, verdict).forEach((notice) => recorder.emit(notice)),
  ];
  return {
    tell: (verdict, seconds) => {
      for (const sink of sinks) {
        try {
          sink(verdict, seconds);
        } catch (error) {
          log.error({ err: error, requestUID: verdict.review.uid }, 'Verdict not recorded');
        }
      }
    },
    malformed: (webhook, message) => {
      metrics.admissionRequests.inc({
        webhook,
        operation: '',
        decision: 'error',
        reason: 'MalformedReview',
        dry_run: 'false',
      });
      log.warn({ webhook, reason: 'MalformedReview', detail: message }, 'Admission call not understood');
    },
  };
}

function count({ metrics }: AuditParts, verdict: Verdict, seconds: number): void {
  const { webhook, review, decision, reason = '', about } = verdict;
  const { operation, dryRun } = review;
  metrics.admissionRequests.inc({ webhook, operation, decision, reason, dry_run: String(dryRun) });
  metrics.admissionDuration.observe({ webhook, decision }, seconds);
  // Counted where it takes effect: mutate may be called several times for one object, and for a dry run nothing is made.
  if (webhook === 'validate' && decision === 'allow' && about.record !== undefined && !dryRun)
    metrics.decisions.inc({ strategy: about.record.strategy ?? '', reason });
}

/** Longer than any name that is meant; strangers' names may be of any length, and a line is read by people. */
const longestName = 256;

function write({ log }: AuditParts, verdict: Verdict, seconds: number): void {
  const { webhook, review, decision, reason, message, decisionId, warnings, about } = verdict;
  const line = {
    webhook,
    requestUID: review.uid,
    decisionID: decisionId,
    operation: review.operation,
    dryRun: review.dryRun,
    dataVolume: short(targetOf(verdict)),
    asked: about.asked === undefined ? undefined : nameOf(about.asked),
    source: about.source === undefined ? undefined : short(about.source),
    username: cut(review.userInfo.username, longestName),
    groupsCount: review.userInfo.groups?.length ?? 0,
    decision,
    reason,
    access: about.access,
    rule: about.rule,
    strategy: about.record?.strategy,
    detail: message === '' ? undefined : message,
    warnings: warnings.length === 0 ? undefined : warnings,
    quota: about.quota,
    // Seconds; what is below a microsecond is noise.
    duration: Number(seconds.toFixed(6)),
    ...(about.error === undefined ? {} : { err: about.error }),
  };
  // What mutate could not do is refused by validate, which says so on its own line; this one tells why.
  if (webhook === 'mutate' && about.error !== undefined) log.warn(line, 'Clone left unstamped');
  else log[levelOf(verdict)](line, 'Admission answered');
}

function levelOf({ webhook, decision, about }: Verdict): 'error' | 'info' | 'debug' {
  if (decision === 'error' || decision === 'would-error') return 'error';
  return webhook === 'validate' && about.asked !== undefined ? 'info' : 'debug';
}

function short({ namespace = '', name = '' }: { readonly namespace?: string; readonly name?: string }): object {
  return { namespace: cut(namespace, longestName), name: cut(name, longestName) };
}
