import type { AdmissionResponse } from '../shared/api/admission.ts';
import { isObject } from '../shared/api/json.ts';
import { apiVersionOf, claims, dataVolumes, dataSources, volumeSnapshots } from '../shared/kube/resource.ts';
import type { ObjectReference } from '../shared/api/objects.ts';
import { isReasonCode, type ReasonCode } from '../shared/api/reasons.ts';
import type { Recorder } from '../shared/kube/events.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import { withAudit } from './respond.ts';
import type { Review } from './review.ts';
import type { Findings, Handler, Ruling } from './ruling.ts';
import type { Asked } from './source.ts';

/** One call, one verdict, four sinks (event, audit annotations, log line, counter). The verdict is read off the response that is sent. */

export interface Verdict {
  readonly webhook: Handler['webhook'];
  readonly review: Review;
  /** `error`: neither yes nor no, because nobody could tell. */
  readonly decision: 'allow' | 'deny' | 'error';
  /** Why; undefined when something was simply let through. */
  readonly reason: ReasonCode | undefined;
  /** What the requester was told; empty when allowed. */
  readonly message: string;
  /** The same in both webhooks, where mutate made a decision; else the uid of this call. */
  readonly decisionId: string;
  readonly about: Findings;
}

export function verdictOf(webhook: Handler['webhook'], review: Review, { response, about = {} }: Ruling): Verdict {
  const { record } = about;
  return {
    webhook,
    review,
    decision: decisionOf(response),
    reason: reasonOf(response, about),
    message: response.status?.message ?? '',
    decisionId: record?.id ?? review.uid,
    about,
  };
}

/** 403 and 422 are answers about the requester and the object; all else says that there was none. */
function decisionOf({ allowed, status }: AdmissionResponse): Verdict['decision'] {
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
    decision,
    'decision-id': decisionId,
    reason,
    access: about.access,
    strategy: about.record?.strategy,
    rule: about.rule,
    source: about.source === undefined || isSecret(about) ? undefined : nameOf(about.source),
    asked: about.asked === undefined ? undefined : nameOf(about.asked),
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

function nameOf({ kind, namespace, name }: Pick<Asked, 'kind' | 'namespace' | 'name'>): string {
  return `${kind} ${namespace}/${name}`;
}

export interface AuditParts {
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'admissionRequests' | 'admissionDuration' | 'decisions'>;
  readonly recorder: Pick<Recorder, 'emit'>;
  /** Where the copies for the administrator go. */
  readonly auditNamespace: string;
}

export interface Audit {
  /** Tells the other sinks, once the response was sent. */
  tell(verdict: Verdict, seconds: number): void;
  /** A call that was no readable review: there is nobody and nothing to tell of, but an administrator has to know of it. */
  malformed(webhook: Handler['webhook'], message: string): void;
}

export function createAudit(parts: AuditParts): Audit {
  const { log, metrics } = parts;
  return {
    tell: (verdict, seconds) => {
      count(parts, verdict, seconds);
      write(parts, verdict, seconds);
      record(parts, verdict);
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

function write({ log }: AuditParts, verdict: Verdict, seconds: number): void {
  const { webhook, review, decision, reason, message, decisionId, about } = verdict;
  const level = decision === 'error' ? 'error' : webhook === 'validate' && about.asked !== undefined ? 'info' : 'debug';
  const line = {
    webhook,
    requestUID: review.uid,
    decisionID: decisionId,
    operation: review.operation,
    dryRun: review.dryRun,
    dataVolume: targetOf(review),
    asked: about.asked === undefined ? undefined : nameOf(about.asked),
    source: about.source,
    username: review.userInfo.username,
    groupsCount: review.userInfo.groups?.length ?? 0,
    decision,
    reason,
    access: about.access,
    strategy: about.record?.strategy,
    detail: message === '' ? undefined : message,
    // Seconds; what is below a microsecond is noise.
    duration: Number(seconds.toFixed(6)),
    ...(about.error === undefined ? {} : { err: about.error }),
  };
  // What mutate could not do is refused by validate, which says so on its own line; this one tells why.
  if (webhook === 'mutate' && about.error !== undefined) log.warn(line, 'Clone left unstamped');
  else log[level](line, 'Admission answered');
}

/** Refusals of clones become events; what was only tried, and what was allowed, does not. */
function record({ recorder, auditNamespace }: AuditParts, verdict: Verdict): void {
  const { webhook, review, decision, reason, message, decisionId, about } = verdict;
  const { asked, source } = about;
  if (webhook !== 'validate' || decision === 'allow' || review.dryRun) return;
  if (reason === undefined || asked === undefined) return;
  const who = review.userInfo.username;
  const emission = {
    regarding: { apiVersion: apiVersionOf(dataVolumes), kind: dataVolumes.kind, ...targetOf(review) },
    reason,
    action: about.access === undefined ? 'Validate' : 'Authorize',
    type: 'Warning',
    // The code is the event's reason already.
    note: `${message.replace(`${reason}: `, '')} (decision ${decisionId})`,
    // Not by the name of the DataVolume: a loop with generateName must not make an event each time.
    key: JSON.stringify([who, review.namespace, nameOf(asked)]),
    budgetKey: who,
  } as const;
  // The requester's own namespace holds only what the requester said; where a DataSource led is for the administrator.
  recorder.emit({ ...emission, namespace: review.namespace, related: referenceTo(asked) });
  if (auditNamespace === review.namespace) return;
  recorder.emit({ ...emission, namespace: auditNamespace, related: referenceTo(source ?? asked) });
}

const kinds = { PersistentVolumeClaim: claims, VolumeSnapshot: volumeSnapshots, DataSource: dataSources };

function referenceTo({ kind, namespace, name }: Pick<Asked, 'kind' | 'namespace' | 'name'>): ObjectReference {
  return { apiVersion: apiVersionOf(kinds[kind]), kind, namespace, name };
}

/** A DataVolume that was refused at CREATE never existed, so it has no uid that anything could refer to. */
function targetOf({ operation, namespace, object, name: requested }: Review): ObjectReference {
  const { name, generateName, uid } = isObject(object['metadata']) ? object['metadata'] : {};
  const called = text(name) ?? (requested === '' ? undefined : requested) ?? `${text(generateName) ?? ''}*`;
  const known = operation === 'UPDATE' ? text(uid) : undefined;
  return { namespace, name: called, ...(known === undefined ? {} : { uid: known }) };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
