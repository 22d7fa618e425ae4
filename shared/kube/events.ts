import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/log.ts';
import type { Metrics } from '../process/metrics.ts';
import { type Budget, type BudgetLimits, createBudget } from './budget.ts';
import type { Client } from './client.ts';
import { ApiError, isForbidden, isNotFound, isRetryable } from './errors.ts';
import { type Emission, eventBody, eventName, type Reporter } from './event-object.ts';
import { EventSeries } from './event-series.ts';
import { createQueue, type Queue } from './queue.ts';
import { type Outcome, runWorkers } from './workers.ts';

/**
 * Records what happened as events.k8s.io/v1 Events. It works beside the caller: `emit` only takes note, writes follow, and what cannot
 * be written is counted. Events are a help for people, limited in number and in time; logs and audit annotations are the record.
 */

export type { Emission } from './event-object.ts';

export interface Budgets {
  /** New events for each `budgetKey`. */
  readonly each: BudgetLimits;
  /** New events and counts for all together. */
  readonly all: BudgetLimits;
}

export interface RecorderOptions extends Reporter {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'events' | 'eventsDropped' | 'eventsRedirected'>;
  /** Takes the events that their own namespace does not take (it is missing, terminating, or closed to us), and the summaries. */
  readonly fallbackNamespace?: string;
  readonly budgets?: Partial<Budgets>;
  /** For the jitter of repeated tries, 0 ≤ random() < 1. */
  readonly random?: () => number;
}

export interface Recorder {
  /** Takes note of an occurrence. Never throws, never waits. */
  emit(emission: Emission): void;
  /** Resolves when all that was emitted is recorded or given up, or after `deadline` milliseconds. */
  flush(deadline: number): Promise<void>;
  /** The last flush: what comes or is left after it is counted as dropped. Leaves no timer behind. */
  close(deadline: number): Promise<void>;
}

const defaultBudgets: Budgets = { each: { burst: 25, perSecond: 1 }, all: { burst: 200, perSecond: 20 } };

/** Milliseconds. Occurrences of one window are one event; the window's start is the same for all replicas. */
const windowLength = 600_000;
/** Milliseconds between two counts of the same event: a storm of a thousand costs a few writes. */
const quiet = 5000;
const callDeadline = 10_000;
/** Milliseconds to wait when the budget of all together has nothing left for counts. */
const thrift = 1000;

/** Events in memory, and those of them that wait to be written. */
const mostSeries = 4096;
const mostPending = 1024;
const mostTries = 5;
const writers = 2;

type DropCause = 'queue-full' | 'key-budget' | 'global-budget' | 'refused' | 'unreachable' | 'shutdown' | 'internal';

export function createRecorder(options: RecorderOptions): Recorder {
  return new EventRecorder(options);
}

class EventRecorder implements Recorder {
  readonly #options: RecorderOptions;
  readonly #queue: Queue;
  /** In order of use: the first was not used for longest. */
  readonly #series = new Map<string, EventSeries>();
  readonly #each: Budget;
  readonly #all: Budget;
  readonly #ending = new AbortController();
  readonly #workers: Promise<void>;
  #pending = 0;
  #closed = false;
  /** While someone waits for the end, nothing is put off. */
  readonly #flushing = new Set<() => void>();

  constructor(options: RecorderOptions) {
    const { clock, random = () => 0.5, budgets } = options;
    this.#options = options;
    this.#queue = createQueue({ clock, random, backoff: { base: 500, max: 30_000 } });
    this.#each = createBudget(clock, budgets?.each ?? defaultBudgets.each);
    this.#all = createBudget(clock, budgets?.all ?? defaultBudgets.all);
    this.#workers = runWorkers(this.#queue, writers, async (id) => this.#write(id), this.#ending.signal);
  }

  emit(emission: Emission): void {
    try {
      this.#note(emission);
    } catch (error) {
      this.#options.log.error({ err: error, reason: emission.reason }, 'Event could not be made');
      this.#drop('internal', 1);
    }
  }

  async flush(deadline: number): Promise<void> {
    for (const { id, pending } of this.#series.values()) if (pending > 0) this.#queue.add(id);
    if (this.#pending === 0) return;
    const timer = new AbortController();
    let wake = (): void => undefined;
    const settled = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#flushing.add(wake);
    // The sleep rejects when the timer is stopped, which is when nobody waits for it any more.
    await Promise.race([settled, this.#options.clock.sleep(deadline, timer.signal).catch(() => undefined)]);
    timer.abort();
    this.#flushing.delete(wake);
  }

  async close(deadline: number): Promise<void> {
    this.#closed = true;
    await this.flush(deadline);
    this.#ending.abort(new Error('the recorder is closed'));
    await this.#workers;
    for (const series of this.#series.values()) this.#drop('shutdown', series.abandon());
  }

  #note(emission: Emission, summary = false): void {
    if (this.#closed) {
      this.#drop('shutdown', 1);
      return;
    }
    const now = this.#options.clock.now();
    const window = now - (now % windowLength);
    const name = eventName(emission, this.#options, window);
    const known = this.#series.get(name);
    if (known !== undefined) this.#repeat(known, now);
    else this.#begin(emission, name, now, summary);
  }

  #repeat(series: EventSeries, now: number): void {
    if (series.refused) {
      this.#drop('refused', 1);
      return;
    }
    const idle = series.pending === 0;
    if (idle && this.#isFull()) return;
    series.occurred(now);
    this.#remember(series);
    if (!idle) return; // on its way already, and taken along
    this.#pending += 1;
    this.#queue.addAfter(series.id, series.writtenAt + quiet - this.#options.clock.elapsed());
  }

  #begin(emission: Emission, name: string, now: number, summary: boolean): void {
    if (this.#isFull()) return;
    if (!summary && !this.#affords(emission)) return;
    const series = new EventSeries(emission.namespace, name, eventBody(emission, this.#options, now), now);
    series.mayMove = emission.fallback !== false;
    this.#pending += 1;
    this.#remember(series);
    this.#queue.add(series.id);
  }

  #isFull(): boolean {
    if (this.#pending < mostPending) return false;
    this.#drop('queue-full', 1);
    return true;
  }

  #affords({ budgetKey }: Emission): boolean {
    if (budgetKey !== undefined && !this.#each.take(budgetKey)) {
      this.#suppress('key-budget');
      return false;
    }
    if (!this.#all.take('')) {
      this.#suppress('global-budget');
      return false;
    }
    return true;
  }

  /** Counts it, and says so in one event of which each suppressed occurrence is one more occurrence. */
  #suppress(cause: 'key-budget' | 'global-budget'): void {
    this.#drop(cause, 1);
    const { fallbackNamespace: namespace, reportingInstance: name } = this.#options;
    if (namespace === undefined) return;
    const whose = cause === 'key-budget' ? 'one user caused' : 'all users together caused';
    this.#note(
      {
        namespace,
        regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name },
        reason: 'EventsSuppressed',
        action: 'Record',
        type: 'Warning',
        note: `More events than ${whose} may be recorded; see the log for each of them (this count is their number)`,
        key: `${cause} ${name}`,
      },
      true,
    );
  }

  #remember(series: EventSeries): void {
    this.#series.delete(series.id);
    this.#series.set(series.id, series);
    if (this.#series.size <= mostSeries) return;
    const oldest = [...this.#series.values()].find(({ pending }) => pending === 0);
    if (oldest !== undefined) this.#series.delete(oldest.id);
  }

  async #write(id: string): Promise<Outcome> {
    const series = this.#series.get(id);
    if (series === undefined || series.pending === 0) return { kind: 'done' };
    // Counts can wait, and grow while they do; a first event is paid for already.
    if (series.isStored && this.#flushing.size === 0 && !this.#all.take('')) return { kind: 'after', ms: thrift };
    const { client, clock, metrics } = this.#options;
    try {
      const written = await series.write(client, { signal: this.#ending.signal, deadline: callDeadline });
      series.writtenAt = clock.elapsed();
      const { type, reason } = series.body;
      metrics.events.inc({ type, reason }, written);
    } catch (error) {
      return this.#fail(series, error);
    }
    if (series.pending > 0) return { kind: 'after', ms: this.#flushing.size === 0 ? quiet : 0 };
    this.#settled();
    return { kind: 'done' };
  }

  #fail(series: EventSeries, error: unknown): Outcome {
    if (this.#ending.signal.aborted) return { kind: 'done' };
    const { fallbackNamespace, metrics, log } = this.#options;
    const home = series.mayMove ? fallbackNamespace : undefined;
    const closed = isForbidden(error) ? 'forbidden' : isNotFound(error) ? 'not-found' : undefined;
    if (closed !== undefined && home !== undefined && series.namespace !== home) {
      series.namespace = home;
      metrics.eventsRedirected.inc({ cause: closed });
      return { kind: 'after', ms: 0 };
    }
    const passing = isRetryable(error) || (error instanceof ApiError && error.reason === 'Conflict');
    if (passing && this.#queue.failures(series.id) < mostTries - 1) return { kind: 'retry' };
    series.refused = !passing;
    const { namespace, body } = series;
    log.warn({ err: error, namespace, reason: body.reason }, 'Event could not be written');
    this.#drop(passing ? 'unreachable' : 'refused', series.abandon());
    this.#settled();
    return { kind: 'done' };
  }

  /** A series has nothing pending any more. */
  #settled(): void {
    this.#pending -= 1;
    if (this.#pending === 0) for (const wake of this.#flushing) wake();
  }

  #drop(cause: DropCause, count: number): void {
    if (count > 0) this.#options.metrics.eventsDropped.inc({ cause }, count);
  }
}
