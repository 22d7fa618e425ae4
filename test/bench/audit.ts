import type { AuditEvent } from '../support/cluster/index.ts';

/** What one user asked of the API server, by kind of request. Pure. */

/** Wall clock, milliseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** `create subjectaccessreviews` and so on, with how often, of what was received within one of the spans. */
export function requestsOf(
  events: readonly AuditEvent[],
  username: string,
  spans: readonly Span[],
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { stage, user, verb, objectRef, requestReceivedTimestamp } of events) {
    const at = Date.parse(requestReceivedTimestamp);
    // A watch is one request for minutes, told when it begins and when it ends.
    if (stage !== 'ResponseComplete' || user.username !== username || verb === 'watch') continue;
    if (!spans.some(({ from, to }) => at >= from && at <= to)) continue;
    const kind = `${verb} ${objectRef?.resource ?? 'other'}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}
