import { keyOf } from '../shared/api/objects.ts';
import type { ReasonCode } from '../shared/api/reasons.ts';
import type { Fallback } from '../shared/decision/fallback.ts';
import type { Recorder } from '../shared/kube/events.ts';
import { apiVersionOf, claims, dataVolumes } from '../shared/kube/resource.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import { conditionOf } from './conditions.ts';
import { rateOf } from './copy/progress.ts';
import type { Copied } from './copy/record.ts';
import { type Observed, targetRef } from './observed.ts';
import type { Telling } from './status.ts';
import type { Happening } from './steps/step.ts';

/** What the world is told when a status says something new: an Event, a log line, figures. */

export interface Ears {
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly log: Logger;
  readonly metrics: Pick<
    Metrics,
    | 'clones'
    | 'cloneDuration'
    | 'unauthorizedRefused'
    | 'fallbacks'
    | 'stalled'
    | 'copyBytes'
    | 'copyDuration'
    | 'copyFailures'
    | 'copiesOverNetwork'
  >;
}

export interface News {
  readonly type: 'Normal' | 'Warning';
  readonly reason: ReasonCode;
  readonly note: string;
}

/** Something only when phase or reason have changed, not for each new wording. Pure. */
export function newsOf(o: Observed, plan: Telling): News | undefined {
  const { status } = o.volume;
  const { phase } = status ?? {};
  if (plan.state === 'done') {
    if (phase === 'Succeeded' || plan.adopted === true) return undefined;
    const from = o.source === undefined ? '' : ` from ${keyOf(o.source.ref)}`;
    return { type: 'Normal', reason: 'CloneSucceeded', note: `cloned${from} into ${keyOf(targetRef(o.volume))}` };
  }
  const { type, reason, message, phase: next } = plan.wait;
  if (phase !== next || conditionOf(status, 'Running')?.reason !== reason) return { type, reason, note: message };
  if (plan.stalled === undefined || conditionOf(status, 'Ready')?.reason === 'CloneStalled') return undefined;
  return { type: 'Warning', reason: 'CloneStalled', note: plan.stalled };
}

/** @param now milliseconds since the Unix epoch. */
export function announce({ recorder, log, metrics }: Ears, o: Observed, plan: Telling, now: number): void {
  const news = newsOf(o, plan);
  if (news === undefined) return;
  recorder.emit({ ...news, ...about(o), action: 'Clone' });
  const { volume, choice } = o;
  const strategy = choice.by === 'record' ? choice.strategy : 'none';
  if (plan.state === 'waiting') {
    log.info(
      { dataVolume: volume, step: plan.step, strategy, reason: news.reason, why: news.note },
      'Clone changed state',
    );
    if (isRefusal(news.reason)) metrics.unauthorizedRefused.inc({ reason: news.reason });
    if (news.reason === 'CloneStalled') metrics.stalled.inc({ reason: plan.wait.reason });
    const over = news.reason === 'CloneFailed' || plan.wait.failure !== undefined;
    if (over) metrics.clones.inc({ strategy, outcome: 'failed' });
    return;
  }
  const ms = now - Date.parse(volume.metadata.creationTimestamp ?? '');
  log.info({ dataVolume: volume, strategy, ms }, 'Clone succeeded');
  metrics.clones.inc({ strategy, outcome: 'succeeded' });
  if (ms >= 0) metrics.cloneDuration.observe({ strategy, outcome: 'succeeded' }, ms / 1000);
}

/** What became of a copy. That one failed is an event by the wait that follows. */
export function announceHappening(ears: Ears, o: Observed, happening: Happening): void {
  switch (happening.what) {
    case 'copied':
      return announceCopied(ears, o, happening.copied);
    case 'copy-parted':
      return announceParted(ears, o, happening.why);
    case 'copy-failed': {
      const { reason, message } = happening;
      ears.metrics.copyFailures.inc({ reason });
      ears.log.warn({ dataVolume: o.volume, reason, why: message }, 'Copy failed');
    }
  }
}

function announceParted({ recorder, log, metrics }: Ears, o: Observed, why: string): void {
  const means = 'one has the source and the other the target, and they talk over TLS with a key of this copy alone';
  const note = `two pods copy, over the network: ${means}; for ${why}`;
  recorder.emit({ type: 'Normal', reason: 'CopyOverNetwork', note, ...about(o), action: 'Clone' });
  metrics.copiesOverNetwork.inc();
  log.info({ dataVolume: o.volume, why }, 'Copy takes two pods');
}

function announceCopied({ recorder, log, metrics }: Ears, o: Observed, whole: Copied): void {
  const { volume } = o;
  const { bytes, seconds, digest } = whole;
  const rate = rateOf(seconds > 0 ? Number(bytes) / seconds : 0);
  const verified = digest === undefined ? '' : `, read again and compared (${digest})`;
  const note = `${bytes} bytes copied in ${seconds.toFixed(1)} s, ${rate}${verified}`;
  recorder.emit({ type: 'Normal', reason: 'CopyFinished', note, ...about(o), action: 'Clone' });
  metrics.copyBytes.inc(Number(bytes));
  metrics.copyDuration.observe(seconds);
  log.info({ dataVolume: volume, bytes: bytes.toString(), seconds }, 'Copy finished');
}

/** That the clone goes on with another strategy. */
export function announceFallback({ recorder, log, metrics }: Ears, o: Observed, { from, to, message }: Fallback): void {
  const note = `the storage failed at ${from}: ${message}; the clone goes on by ${to}`;
  recorder.emit({ type: 'Warning', reason: 'CloneStrategyFallback', note, ...about(o), action: 'Clone' });
  log.warn({ dataVolume: o.volume, from, to, why: message }, 'Clone goes on with another strategy');
  metrics.fallbacks.inc({ from, to });
}

function isRefusal(reason: ReasonCode): boolean {
  return reason === 'CloneUnauthorized' || reason === 'CloneAuthorizationRevoked';
}

/** The source is named only after its stamp was found valid. */
function about({ volume, source }: Observed) {
  const { namespace = '', name, uid } = volume.metadata;
  const regarding = { apiVersion: apiVersionOf(dataVolumes), kind: dataVolumes.kind, namespace, name, uid };
  if (source?.claim === undefined) return { namespace, regarding };
  const { ref, claim } = source;
  const related = { apiVersion: apiVersionOf(claims), ...ref, uid: claim.metadata.uid };
  return { namespace, regarding, related };
}
