import type { Lease, Stored } from '../api/objects.ts';
import type { Clock } from '../process/clock.ts';
import type { CallOptions, Client } from './client.ts';
import { isAlreadyExists, isConflict, isNotFound } from './errors.ts';
import { microTime } from './microtime.ts';
import { leases } from './resource.ts';

/**
 * One Lease as one contender sees it: what it read, when it saw that change, and its writes. How old a record is, is measured from the
 * moment at which this process first saw it, never by the times in it: clocks of other machines prove nothing.
 */

export interface LeaseRecordOptions {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch'>;
  readonly clock: Clock;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  /** Milliseconds. */
  readonly leaseDuration: number;
}

/** `clock.elapsed()` and `clock.now()` just before a call. */
interface Moment {
  readonly at: number;
  readonly wall: number;
}

interface Observed {
  readonly lease: Stored<Lease>;
  /** Before the call that first showed this record. */
  readonly since: Moment;
}

export class LeaseRecord {
  readonly #options: LeaseRecordOptions;
  #observed: Observed | undefined;
  /** Before our last write that is known to have worked. A record of ours that we merely read may be older than the reading. */
  #renewed: Moment | undefined;

  constructor(options: LeaseRecordOptions) {
    this.#options = options;
  }

  get holder(): string {
    return this.#observed?.lease.spec?.holderIdentity ?? '';
  }

  get isOurs(): boolean {
    return this.holder === this.#options.identity;
  }

  /**
   * Milliseconds since our last renewal. The larger of two measures: a machine that was suspended finds that its own running time
   * stood still while the others' went on.
   */
  get age(): number {
    if (this.#renewed === undefined) return Number.POSITIVE_INFINITY;
    const { at, wall } = this.#moment();
    return Math.max(at - this.#renewed.at, wall - this.#renewed.wall);
  }

  /** Takes the lease if nobody holds it or its holder went silent for as long as it had promised to renew. */
  async acquire(call: CallOptions): Promise<boolean> {
    if (!(await this.#read(call))) return this.#create(call);
    return this.#isFree() && this.#take(call);
  }

  /** Whether we still hold it. A new record version of somebody else's making (a label, say) is no loss; another holder is. */
  async renew(call: CallOptions): Promise<boolean> {
    if (await this.#take(call)) return true;
    if (!(await this.#read(call))) return this.#create(call);
    return this.isOurs && this.#take(call);
  }

  /** Lets the next contender start at once instead of waiting for the lease to run out. */
  async release(call: CallOptions): Promise<void> {
    if (!this.isOurs) return;
    const now = microTime(this.#options.clock.now());
    const empty = { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
    if (await this.#write(empty, call)) return;
    // A renewal that was given up half-way may have arrived after all.
    if ((await this.#read(call)) && this.isOurs) await this.#write(empty, call);
  }

  /** @returns whether the lease exists. */
  async #read(call: CallOptions): Promise<boolean> {
    const { client, namespace, name } = this.#options;
    const now = this.#moment();
    try {
      const lease = await client.get(leases, { namespace, name }, call);
      const known = this.#observed;
      const changed = known === undefined || JSON.stringify(lease.spec) !== JSON.stringify(known.lease.spec);
      this.#observed = { lease, since: changed ? now : known.since };
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  #isFree(): boolean {
    if (this.#observed === undefined) return false;
    if (this.holder === '' || this.isOurs) return true;
    const { clock, leaseDuration } = this.#options;
    const promised = this.#observed.lease.spec?.leaseDurationSeconds;
    const ms = promised === undefined || promised <= 0 ? leaseDuration : promised * 1000;
    // By running time alone: that the wall clock was set forward is no reason to take a lease away.
    return clock.elapsed() - this.#observed.since.at >= ms;
  }

  async #create(call: CallOptions): Promise<boolean> {
    const { client, namespace, name } = this.#options;
    const now = this.#moment();
    const spec = { ...this.#claim(now.wall), acquireTime: microTime(now.wall), leaseTransitions: 0 };
    try {
      const lease = await client.create(leases, { metadata: { namespace, name }, spec }, call);
      this.#observed = { lease, since: now };
      this.#renewed = now;
      return true;
    } catch (error) {
      if (isAlreadyExists(error)) return false;
      throw error;
    }
  }

  async #take(call: CallOptions): Promise<boolean> {
    const now = this.#options.clock.now();
    const transitions = this.#observed?.lease.spec?.leaseTransitions ?? 0;
    const change = this.isOurs ? {} : { acquireTime: microTime(now), leaseTransitions: transitions + 1 };
    return this.#write({ ...this.#claim(now), ...change }, call);
  }

  #claim(now: number) {
    const { identity, leaseDuration } = this.#options;
    const leaseDurationSeconds = Math.ceil(leaseDuration / 1000);
    return { holderIdentity: identity, leaseDurationSeconds, renewTime: microTime(now) };
  }

  /** Of two who write on the same version one loses: @returns false. */
  async #write(spec: NonNullable<Lease['spec']>, call: CallOptions): Promise<boolean> {
    if (this.#observed === undefined) return false;
    const { client, namespace, name } = this.#options;
    const { uid, resourceVersion } = this.#observed.lease.metadata;
    const now = this.#moment();
    try {
      const preconditions = { uid, resourceVersion };
      const lease = await client.mergePatch(leases, { namespace, name }, { spec }, { ...call, preconditions });
      this.#observed = { lease, since: now };
      this.#renewed = now;
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { at: clock.elapsed(), wall: clock.now() };
  }
}
