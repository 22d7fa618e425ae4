import type { Clock } from '../process/clock.ts';
import type { Metrics } from '../process/metrics.ts';
import { createLine, type Line } from './fair.ts';

/**
 * Keys that wait to be worked on. Groups of keys take turns, so that none starves another however many keys it has. A key is in it once however often it was added; a key that was handed out is locked until `done`,
 * and comes again after that when it was added meanwhile; of several times that a key is to come, the earliest counts.
 */

export interface QueueOptions {
  readonly clock: Clock;
  /** 0 ≤ random() < 1. */
  readonly random: () => number;
  /** Label of its metrics. */
  readonly name?: string;
  readonly metrics?: Pick<Metrics, 'queueAdds' | 'queueDepth' | 'queueRetries' | 'queueWait' | 'queueWork'>;
  readonly backoff?: Backoff;
  /** Whose key it is: those of different groups are handed out in turn. Default: all are of one group. */
  readonly groupOf?: (key: string) => string;
}

/** Milliseconds. The n-th failure in a row waits `base · 2ⁿ⁻¹`, at most `max`, less up to a fifth so that keys part company. */
export interface Backoff {
  readonly base: number;
  readonly max: number;
}

/** client-go's figures for controllers. */
const defaultBackoff: Backoff = { base: 5, max: 1_000_000 };
const jitter = 0.2;

/** A timer of Node that is asked to wait longer fires at once. */
const longestSleep = 2 ** 31 - 1;

/** `next` was called on a queue that hands out nothing any more. */
export class QueueDrained extends Error {
  override readonly name = 'QueueDrained';
  constructor() {
    super('the work queue is drained');
  }
}

interface Waiter<K> {
  readonly give: (key: K) => void;
  readonly refuse: (reason: unknown) => void;
}

export interface Queue<K extends string = string> {
  add(key: K): void;
  /** Comes in `ms` milliseconds, or earlier when it is to come earlier anyway. */
  addAfter(key: K, ms: number): void;
  /** Comes after a time that grows with every call until {@link forget}. */
  addRateLimited(key: K): void;
  /** The key did well: its next failure is its first. */
  forget(key: K): void;
  /** How often in a row the key failed. */
  failures(key: K): number;
  /** The key that waited longest of the group whose turn it is, as soon as there is one. @throws the signal's reason, or QueueDrained. */
  next(signal?: AbortSignal): Promise<K>;
  /** Unlocks a key that `next` gave. */
  done(key: K): void;
  /** Hands out nothing any more, forgets what waits, and resolves when all that was handed out is done. */
  drain(): Promise<void>;
  /** Keys ready to be handed out. */
  readonly size: number;
}

export function createQueue<K extends string = string>(options: QueueOptions): Queue<K> {
  return new WorkQueue<K>(options);
}

class WorkQueue<K extends string> implements Queue<K> {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  readonly #meter: Meter;
  readonly #ready: Line<K>;
  /** Key → since when it is worked on. */
  readonly #working = new Map<K, number>();
  /** Keys added while they were worked on. */
  readonly #again = new Set<K>();
  /** Key → when it is to come. */
  readonly #later = new Map<K, number>();
  readonly #failures = new Map<K, number>();
  readonly #waiters = new Set<Waiter<K>>();
  #timer: { readonly at: number; readonly stop: AbortController } | undefined;
  #drained = false;
  #whenIdle: (() => void)[] = [];

  constructor({
    clock,
    random,
    backoff = defaultBackoff,
    name = 'default',
    metrics,
    groupOf = () => '',
  }: QueueOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#backoff = backoff;
    this.#meter = createMeter(name, metrics);
    this.#ready = createLine<K>(groupOf);
  }

  get size(): number {
    return this.#ready.size;
  }

  add(key: K): void {
    if (this.#drained) return;
    this.#later.delete(key);
    if (this.#working.has(key)) this.#again.add(key);
    else this.#enqueue(key);
  }

  addAfter(key: K, ms: number): void {
    if (this.#drained) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    if (this.#ready.has(key) || this.#again.has(key)) return;
    const at = this.#clock.elapsed() + ms;
    if (at >= (this.#later.get(key) ?? Number.POSITIVE_INFINITY)) return;
    this.#later.set(key, at);
    this.#arm(at);
  }

  addRateLimited(key: K): void {
    const failures = this.failures(key);
    this.#failures.set(key, failures + 1);
    this.#meter.retried();
    const delay = Math.min(this.#backoff.base * 2 ** failures, this.#backoff.max);
    this.addAfter(key, delay * (1 - jitter * this.#random()));
  }

  forget(key: K): void {
    this.#failures.delete(key);
  }

  failures(key: K): number {
    return this.#failures.get(key) ?? 0;
  }

  async next(signal?: AbortSignal): Promise<K> {
    signal?.throwIfAborted();
    if (this.#drained) throw new QueueDrained();
    return new Promise<K>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        reject(signal?.reason as Error);
      };
      const settle = (): void => signal?.removeEventListener('abort', onAbort);
      const waiter: Waiter<K> = {
        give: (key) => {
          settle();
          resolve(key);
        },
        refuse: (reason) => {
          settle();
          reject(reason);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
      this.#dispatch();
    });
  }

  done(key: K): void {
    const since = this.#working.get(key);
    if (since === undefined) return;
    this.#working.delete(key);
    this.#meter.worked(this.#clock.elapsed() - since);
    if (this.#again.delete(key) && !this.#drained) this.#enqueue(key);
    if (this.#working.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async drain(): Promise<void> {
    this.#drained = true;
    this.#timer?.stop.abort();
    this.#timer = undefined;
    this.#ready.clear();
    this.#later.clear();
    this.#again.clear();
    this.#meter.depth(0);
    for (const waiter of this.#waiters) waiter.refuse(new QueueDrained());
    this.#waiters.clear();
    if (this.#working.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle.push(resolve);
    });
  }

  #enqueue(key: K): void {
    if (this.#ready.has(key)) return;
    this.#ready.add(key, this.#clock.elapsed());
    this.#meter.added();
    this.#dispatch();
  }

  /** Gives the keys that are ready to those who wait, both in order. */
  #dispatch(): void {
    for (const waiter of this.#waiters) {
      const next = this.#ready.take();
      if (next === undefined) break;
      this.#waiters.delete(waiter);
      const now = this.#clock.elapsed();
      this.#working.set(next.key, now);
      this.#meter.waited(now - next.since);
      waiter.give(next.key);
    }
    this.#meter.depth(this.#ready.size);
  }

  /** One timer for all: it sleeps until the earliest key is due. */
  #arm(at: number): void {
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.stop.abort();
    const timer = { at, stop: new AbortController() };
    this.#timer = timer;
    const ms = Math.min(Math.max(0, at - this.#clock.elapsed()), longestSleep);
    // Rejects only when the timer was replaced or the queue drained; there is nothing to do then.
    this.#clock.sleep(ms, timer.stop.signal).then(
      () => this.#ring(),
      () => undefined,
    );
  }

  /** A walk over all delayed keys, once for each moment at which one is due: some thousand keys take well under a millisecond. */
  #ring(): void {
    this.#timer = undefined;
    const now = this.#clock.elapsed();
    let earliest = Number.POSITIVE_INFINITY;
    for (const [key, at] of this.#later) {
      if (at <= now) this.add(key);
      else earliest = Math.min(earliest, at);
    }
    if (earliest < Number.POSITIVE_INFINITY) this.#arm(earliest);
  }
}

interface Meter {
  readonly added: () => void;
  readonly retried: () => void;
  readonly depth: (size: number) => void;
  readonly waited: (ms: number) => void;
  readonly worked: (ms: number) => void;
}

function createMeter(name: string, metrics: QueueOptions['metrics']): Meter {
  const labels = { name };
  return {
    added: () => metrics?.queueAdds.inc(labels),
    retried: () => metrics?.queueRetries.inc(labels),
    depth: (size) => metrics?.queueDepth.set(labels, size),
    waited: (ms) => metrics?.queueWait.observe(labels, ms / 1000),
    worked: (ms) => metrics?.queueWork.observe(labels, ms / 1000),
  };
}
