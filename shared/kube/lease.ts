import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/log.ts';
import type { Metrics } from '../process/metrics.ts';
import type { Client } from './client.ts';
import { within } from './deadline.ts';
import { LeaseRecord } from './lease-record.ts';

/**
 * Leader election over a coordination.k8s.io Lease, by the rules of client-go: whoever holds the lease renews it every `retryPeriod`;
 * who could not for `renewDeadline` steps down; the others wait until it was silent for `leaseDuration`. As the deadline is shorter
 * than the duration, the old leader has stopped before a new one starts, however wrong the clocks of their machines are.
 */

export interface ElectorOptions {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch'>;
  readonly clock: Clock;
  /** 0 ≤ random() < 1. */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics?: Pick<Metrics, 'leader'>;
  readonly namespace: string;
  readonly name: string;
  /** Unique for every start of the process (pod name and a random part): two of the same identity would both lead. */
  readonly identity: string;
  /** Milliseconds, `retryPeriod` < `renewDeadline` < `leaseDuration`. */
  readonly leaseDuration: number;
  readonly renewDeadline: number;
  readonly retryPeriod: number;
}

/** What a leader does; it must end soon after `lost` aborts and must not write anything after that. */
export type Lead = (lost: AbortSignal) => Promise<void>;

export interface Elector {
  /**
   * Waits to become leader, then runs `lead` while renewing the lease. When `signal` aborts or `lead` ends, the lease is kept until
   * `lead` has ended and then released.
   * @throws LeadershipLost as soon as the lease is lost; the process should end then. What `lead` throws is thrown too.
   */
  run(signal: AbortSignal, lead: Lead): Promise<void>;
  readonly leading: boolean;
}

export class LeadershipLost extends Error {
  override readonly name = 'LeadershipLost';
}

/** Those who wait try at times that differ by up to this factor more, so that they do not all come at once (client-go's figure). */
const jitter = 1.2;

/** @throws RangeError when the times do not fit together. */
export function createElector(options: ElectorOptions): Elector {
  const { leaseDuration, renewDeadline, retryPeriod } = options;
  if (!(retryPeriod > 0 && retryPeriod < renewDeadline && renewDeadline < leaseDuration)) {
    throw new RangeError('an elector needs 0 < retryPeriod < renewDeadline < leaseDuration');
  }
  return new LeaseElector(options);
}

class LeaseElector implements Elector {
  readonly #options: ElectorOptions;
  readonly #record: LeaseRecord;
  readonly #log: Logger;
  leading = false;

  constructor(options: ElectorOptions) {
    this.#options = options;
    this.#record = new LeaseRecord(options);
    const { namespace, name, identity } = options;
    this.#log = options.log.child({ lease: { namespace, name }, identity });
  }

  async run(signal: AbortSignal, lead: Lead): Promise<void> {
    this.#setLeading(false);
    if (!(await this.#acquire(signal))) return;
    this.#setLeading(true);
    this.#log.info('Became leader');
    try {
      await this.#hold(signal, lead);
    } finally {
      this.#setLeading(false);
    }
  }

  /** @returns false when the signal aborted first. */
  async #acquire(signal: AbortSignal): Promise<boolean> {
    const { clock, random, retryPeriod } = this.#options;
    let holder = '';
    for (;;) {
      try {
        signal.throwIfAborted();
        if (await this.#record.acquire({ signal, deadline: this.#callDeadline })) return true;
        if (this.#record.holder !== holder) this.#log.info({ holder: this.#record.holder }, 'Waiting for the leader');
        holder = this.#record.holder;
      } catch (error) {
        if (signal.aborted) return false;
        this.#log.warn({ err: error }, 'Lease could not be read or written');
      }
      // Rejects only when the signal aborts, which is seen above.
      await clock.sleep(retryPeriod * (1 + jitter * random()), signal).catch(() => undefined);
    }
  }

  async #hold(signal: AbortSignal, lead: Lead): Promise<void> {
    const lost = new AbortController();
    const over = new AbortController();
    const working = (async () => {
      try {
        await lead(AbortSignal.any([signal, lost.signal]));
      } finally {
        over.abort();
      }
    })();
    try {
      await this.#renewUntil(over.signal);
    } catch (error) {
      this.#log.error({ err: error }, 'Lost leadership');
      lost.abort(error);
      // The process ends for this loss; what it breaks in the work is of no interest.
      working.catch(() => undefined);
      throw error;
    }
    await this.#release();
    await working;
  }

  /** Renews until `over` aborts. @throws LeadershipLost */
  async #renewUntil(over: AbortSignal): Promise<void> {
    const { clock, retryPeriod, renewDeadline } = this.#options;
    const tooLate = (): Error => new LeadershipLost(`the lease could not be renewed for ${renewDeadline} ms`);
    while (!over.aborted) {
      await clock.sleep(retryPeriod, over).catch(() => undefined);
      if (over.aborted) return;
      const left = Math.max(0, renewDeadline - this.#record.age);
      if (left === 0) throw tooLate();
      try {
        await within(clock, left, over, tooLate, async (signal) => this.#renew(signal));
      } catch (error) {
        if (!over.aborted) throw error;
      }
    }
  }

  /** Tries until it worked; how long that may take is up to the signal. */
  async #renew(signal: AbortSignal): Promise<void> {
    const { clock, retryPeriod } = this.#options;
    for (;;) {
      try {
        if (await this.#record.renew({ signal, deadline: this.#callDeadline })) return;
        if (!this.#record.isOurs) throw new LeadershipLost(`the lease is held by ${this.#record.holder || 'nobody'}`);
      } catch (error) {
        if (error instanceof LeadershipLost || signal.aborted) throw error;
        this.#log.warn({ err: error }, 'Lease could not be renewed');
      }
      await clock.sleep(retryPeriod, signal);
    }
  }

  async #release(): Promise<void> {
    try {
      await this.#record.release({ deadline: this.#callDeadline });
      this.#log.info('Released leadership');
    } catch (error) {
      // The next leader then starts a lease duration later; nothing is wrong.
      this.#log.warn({ err: error }, 'Lease could not be released');
    }
  }

  /** A call that hangs must leave time for a second one. */
  get #callDeadline(): number {
    return this.#options.renewDeadline / 2;
  }

  #setLeading(leading: boolean): void {
    this.leading = leading;
    this.#options.metrics?.leader.set({ name: this.#options.name }, leading ? 1 : 0);
  }
}
