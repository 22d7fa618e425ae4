import { isIP } from 'node:net';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import { createLookout } from '../shared/process/lookout.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Component } from '../shared/process/run.ts';
import type { AuthorityKeeper, Found } from './authority.ts';
import type { Dated } from './expiry.ts';
import { issueServing } from './issue.ts';
import { type Leaf, type Lifetimes, leafDue } from './policy.ts';
import { materialOf, type ServingMaterial } from './serving.ts';

/**
 * Serving certificates of the webhook's own authority. Each replica makes its own and keeps it in memory alone, so that there is nothing
 * to share, to leak or to restore.
 */

export interface OwnServingOptions {
  readonly keeper: Pick<AuthorityKeeper, 'look'>;
  readonly lifetimes: Lifetimes;
  /** DNS names and IP addresses that the certificate is for. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'certificateRotations'>;
  readonly serve: (material: ServingMaterial) => void;
}

export interface OwnServing extends Component {
  readonly held: () => readonly Dated[];
}

/** Milliseconds between two looks, at most; three small requests each. */
const longestPace = 30_000;

/** Started when a certificate is served that API servers are told to trust, as far as they are configured to call at all. */
export function createOwnServing(options: OwnServingOptions): OwnServing {
  const { clock, log, lifetimes } = options;
  const { overlap, serving } = lifetimes;
  const own = new OwnCertificate(options);
  // Often enough to see within the overlap what others do, and to renew long before the end.
  const pace = Math.max(100, Math.min(longestPace, overlap / 4, serving / 12));
  const complaint = 'Certificates could not be looked after, what is served stays as it is';
  const lookout = createLookout({
    name: 'certificates',
    pace,
    clock,
    log,
    complaint,
    look: async () => void (await own.look()),
  });
  return {
    ...lookout,
    held: () => own.held,
    start: async (signal, fail) => {
      await untilServed(own, { clock, log, pace, signal });
      await lookout.start(signal, fail);
    },
  };
}

interface Trying {
  readonly clock: Clock;
  readonly log: Logger;
  readonly pace: number;
  readonly signal: AbortSignal;
}

/** Tries until there is something to serve with, or the program ends. */
async function untilServed(own: OwnCertificate, { clock, log, pace, signal }: Trying): Promise<void> {
  while (!signal.aborted) {
    try {
      if (await own.look()) return;
      log.info('API servers are still given time to hear of the authority that signs');
    } catch (error) {
      log.warn({ err: error }, 'No certificate to serve with yet');
    }
    await clock.sleep(Math.max(1000, pace), signal).catch(() => undefined);
  }
}

class OwnCertificate {
  readonly #options: OwnServingOptions;
  #leaf: Leaf | undefined;
  held: readonly Dated[] = [];

  constructor(options: OwnServingOptions) {
    this.#options = options;
  }

  /** @returns whether there is a certificate in service. */
  async look(): Promise<boolean> {
    try {
      this.#take(await this.#options.keeper.look());
      return this.#leaf !== undefined;
    } catch (error) {
      this.#options.metrics.certificateRotations.inc({ role: 'ca', result: 'error' });
      throw error;
    }
  }

  #take({ authorities, settled }: Found): void {
    const { clock, lifetimes, log, metrics, names, serve } = this.#options;
    const now = clock.now();
    const { current } = authorities;
    const why = leafDue(this.#leaf, authorities, { now, settled }, lifetimes);
    if (why !== undefined) {
      const material = materialOf(
        issueServing(current, {
          dnsNames: names.filter((name) => isIP(name) === 0),
          ipAddresses: names.filter((name) => isIP(name) !== 0),
          days: lifetimes.serving / (24 * 60 * 60 * 1000),
          now,
        }),
      );
      serve(material);
      const { fingerprint, notBefore, notAfter } = material;
      this.#leaf = { authority: current.fingerprint, issued: now, notAfter };
      this.held = [{ role: 'leaf', fingerprint, notBefore, notAfter }];
      metrics.certificateRotations.inc({ role: 'leaf', result: 'success' });
      log.info({ fingerprint, notAfter: new Date(notAfter).toISOString(), why }, 'New serving certificate in service');
    }
    this.held = [{ role: 'ca', ...current }, ...this.held.filter(({ role }) => role === 'leaf')];
  }
}
