import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import type { Client } from '../shared/kube/client.ts';
import { dataSources } from '../shared/kube/resource.ts';
import type { Served } from '../shared/kube/served.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import { type Access, type AccessPolicy, askAccess, type Question } from '../shared/trust/access.ts';
import type { Known } from './known.ts';
import { orNothing } from './lookup.ts';
import type { Review } from './review.ts';
import { type Resolution, resolveSource } from './source.ts';

/**
 * May this user clone from this source? By the administrator's rules but for those in `instead`.
 * @throws ApiError when that could not be found out, or the signal's reason.
 */
export type Ask = (question: Question, signal: AbortSignal, instead?: Partial<AccessPolicy>) => Promise<Access>;

interface Parts {
  readonly client: Pick<Client, 'review'>;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'authorizationReviews' | 'authorizationDuration'>;
  /** The administrator's. */
  readonly policy: AccessPolicy;
}

/** Puts the question to the API server anew each time, and counts the answers. */
export function createAsk({ client, clock, metrics, policy }: Parts): Ask {
  return async (question, signal, instead) => {
    const started = clock.elapsed();
    let result = 'error';
    try {
      const access = await askAccess(client, question, { ...policy, ...instead }, { signal });
      result = access.allowed ? 'allowed' : 'denied';
      return access;
    } finally {
      metrics.authorizationReviews.inc({ result });
      metrics.authorizationDuration.observe((clock.elapsed() - started) / 1000);
    }
  };
}

/** Who asks, and for which namespace. */
type Asking = Pick<Review, 'userInfo' | 'namespace'>;

/** A source, where one was found, and whether the user may clone it. Whoever may not is not told where a DataSource leads. */
export interface Answered extends Pick<Resolution, 'asked' | 'via'> {
  readonly source?: CloneSource;
  readonly access: Access;
}

/** Finds the source and asks for the right to it. One that was not found is nobody's. */
export async function askAbout(
  parts: FindParts,
  asking: Asking,
  volume: DataVolume,
  signal: AbortSignal,
): Promise<Answered> {
  const { outside, ...found } = await findSource(parts, asking, volume, signal);
  const { source } = found;
  if (source === undefined)
    return { ...found, ...(outside === undefined ? {} : { source: outside }), access: { allowed: false } };
  const { userInfo: user, namespace: into } = asking;
  return { ...found, access: await parts.ask({ user, source, into }, signal) };
}

export interface FindParts {
  readonly ask: Ask;
  readonly client: Pick<Client, 'get'>;
  readonly known: Known;
  readonly served: Pick<Served, 'includes'>;
}

/**
 * Finds the source of a DataVolume; one without a source is the answer to somebody without the right to it. From memory, so that a DataSource costs no
 * request. One that leads nowhere takes a question as well, about its own name in its own namespace: neither words nor time shall
 * tell it from one that leads to something the user may not clone. Who has the right there anyway may learn that it was not known
 * yet, so for him it is read once more. One that leads into a namespace that is not served leads nowhere.
 */
export async function findSource(
  { ask, client, known, served }: FindParts,
  { userInfo: user, namespace: into }: Asking,
  volume: DataVolume,
  signal: AbortSignal,
): Promise<Resolution> {
  const found = await resolveSource(volume, (ref) => known.dataSource(ref), served);
  if (found.source !== undefined) return found;
  const standIn = { kind: 'PersistentVolumeClaim', ...found.via } as const;
  const question = { user, source: standIn, into };
  // By the rules that a source would be asked about by, each of which takes its time; one that needs no question would answer sooner.
  const { allowed } = await ask(question, signal, { sameNamespace: 'ask' });
  if (!allowed) return found;
  return await resolveSource(volume, async (ref) => await orNothing(client, dataSources, ref, signal), served);
}
