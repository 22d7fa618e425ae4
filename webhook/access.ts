import type { UserInfo } from '../shared/api/admission.ts';
import type { CloneSource } from '../shared/api/datavolume.ts';
import type { Client } from '../shared/kube/client.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import { type Access, askAccess } from '../shared/trust/access.ts';

/** May this user clone from this source? @throws ApiError when that could not be found out, or the signal's reason. */
export type Ask = (user: UserInfo, source: CloneSource, signal: AbortSignal) => Promise<Access>;

interface Parts {
  readonly client: Client;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'authorizationReviews' | 'authorizationDuration'>;
}

/** Puts the question to the API server, one SubjectAccessReview for each, and counts the answers. */
export function createAsk({ client, clock, metrics }: Parts): Ask {
  return async (user, source, signal) => {
    const started = clock.elapsed();
    let result = 'error';
    try {
      const access = await askAccess(client, user, source, { signal });
      result = access.allowed ? 'allowed' : 'denied';
      return access;
    } finally {
      metrics.authorizationReviews.inc({ result });
      metrics.authorizationDuration.observe((clock.elapsed() - started) / 1000);
    }
  };
}
