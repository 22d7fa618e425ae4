import type { KubeObject } from '../api/objects.ts';
import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/log.ts';
import { type Backoff, createBackoff } from './backoff.ts';
import type { Client, WatchEvent, Watcher } from './client.ts';
import { ApiError, isForbidden, isGone, isNotFound } from './errors.ts';
import type { Resource } from './resource.ts';
import type { Replacement, StoreWriter } from './store.ts';
import { createWatchdog } from './watchdog.ts';

/**
 * Keeps a store equal to what the API server has: lists once, then watches, and does either again when it has to, until it is stopped.
 * It never gives up; how it fares is told by `health()` and `observe`.
 */

export type ReflectorState =
  /** Not started yet. */
  | 'new'
  | 'listing'
  | 'watching'
  /** Between two attempts, after a failure. */
  | 'waiting'
  /** The API server does not serve this kind (its CRD is not installed): looked for again and again, the store is empty meanwhile. */
  | 'absent'
  /**
   * The one namespace that is looked at does not let us in: no role does, or the namespace does not exist, and then no role can. Looked
   * for again and again, and nothing of it is in the store meanwhile.
   */
  | 'closed'
  | 'stopped';

/** Why a list or watch had to begin again. `closed`: the server ended the watch in good order, as it does every few minutes. */
export type RestartCause = 'closed' | 'expired' | 'silent' | 'absent' | 'refused' | 'error';

export type ReflectorEvent =
  | { readonly type: 'restart'; readonly cause: RestartCause; readonly error?: unknown }
  | { readonly type: 'listed'; readonly objects: number; readonly ms: number };

export interface ReflectorHealth {
  readonly state: ReflectorState;
  /** When something was last received (a list, an event, a bookmark), in milliseconds since the epoch; undefined before the first. */
  readonly lastEventAt: number | undefined;
  /** The last failure; undefined while all is well. */
  readonly error: unknown;
  /** Whether what there is in the cluster is in the store, at most a moment behind. */
  readonly open: boolean;
}

export interface Reflector {
  /** Begins; returns at once. Stops when the signal aborts: from that moment on the store does not change any more. */
  start(signal: AbortSignal): void;
  /** Resolves when the store was filled for the first time, if with nothing because it is absent or closed; rejects with the signal's reason when it was stopped before. */
  readonly synced: Promise<void>;
  /** Resolves when everything has ended after a stop; never rejects. */
  readonly stopped: Promise<void>;
  health(): ReflectorHealth;
}

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Pick<Client, 'pages'> & Watcher;
  readonly kind: Resource<T>;
  readonly store: StoreWriter<T>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log?: Pick<Logger, 'debug' | 'info' | 'warn'>;
  /** The one that is looked at; without it all are, and then to be turned away is a failure as any other. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** For metrics; must not throw. */
  readonly observe?: (event: ReflectorEvent) => void;
  /** Milliseconds without any event or bookmark after which a watch counts as dead; default 4 minutes. */
  readonly silenceLimit?: number;
}

/**
 * The server sends the first bookmark after two minutes and then one each minute (measured on an idle cluster). Twice that long without
 * any, and nobody holds the other end of the connection.
 */
const defaultSilenceLimit = 240_000;
/** Milliseconds for one page of a list, repetitions included. */
const pageDeadline = 60_000;
/** A server (or what stands before it) that ends each watch at once must not be asked in a tight loop. Milliseconds. */
const shortestWatch = 1_000;
/** Seconds; the server ends the watch somewhere between once and twice this, so that not all of them come back at once. */
const watchTimeout = 300;

export function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector {
  const reflection = new Reflection(options);
  const ended = Promise.withResolvers<void>();
  // Who does not wait for it must not be ended by its rejection.
  reflection.synced.catch(() => undefined);
  let started = false;
  return {
    start: (signal) => {
      if (started) throw new Error(`the reflector of ${options.kind.plural} was started before`);
      started = true;
      void reflection.run(signal).then(ended.resolve);
    },
    synced: reflection.synced,
    stopped: ended.promise,
    health: () => reflection.health(),
  };
}

class Reflection<T extends KubeObject> {
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  readonly #backoff: Backoff;
  readonly #synced = Promise.withResolvers<void>();
  #state: ReflectorState = 'new';
  #lastEventAt: number | undefined;
  #error: unknown;
  /** Where to watch from; undefined when only a list can tell. */
  #version: string | undefined;
  /** Answers in a row by which there is nothing for us here. */
  #misses = 0;
  #open = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#backoff = createBackoff(options.random);
    this.synced = this.#synced.promise;
  }

  health(): ReflectorHealth {
    return { state: this.#state, lastEventAt: this.#lastEventAt, error: this.#error, open: this.#open };
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let watchingSince: number | undefined;
      try {
        if (this.#version === undefined) await this.#list(signal);
        watchingSince = this.#options.clock.elapsed();
        if (this.#version !== undefined) await this.#watch(this.#version, signal);
      } catch (error) {
        if (signal.aborted) break;
        const healthy = watchingSince === undefined ? 0 : this.#options.clock.elapsed() - watchingSince;
        await this.#recover(error, healthy, signal);
      }
    }
    this.#state = 'stopped';
    this.#synced.reject(signal.reason);
  }

  /** Fills the store and sets the version. */
  async #list(signal: AbortSignal): Promise<void> {
    const { client, kind, store, clock, namespace, labelSelector, fieldSelector } = this.#options;
    // While there is nothing, looking for it again is no news.
    if (!isEmpty(this.#state)) this.#state = 'listing';
    const started = clock.elapsed();
    const replacement = store.replacing();
    let objects = 0;
    let version: string | undefined;
    // The newest state, not the watch cache's (version 0): that may be older than what was here before, and the server ignores the
    // page size for it (measured: 1,200 objects in one answer for a page size of 500).
    const scope = { namespace, labelSelector, fieldSelector };
    for await (const page of client.pages(kind, { ...scope, deadline: pageDeadline, signal })) {
      replacement.add(page.items);
      objects += page.items.length;
      version = page.resourceVersion;
      this.#received();
    }
    signal.throwIfAborted();
    if (isEmpty(this.#state)) this.#options.log?.info(this.#about(), news[this.#state].over);
    this.#misses = 0;
    this.#version = version;
    this.#open = true;
    this.#fill(replacement);
    this.#options.observe?.({ type: 'listed', objects, ms: clock.elapsed() - started });
  }

  /** Follows the changes until the server ends the watch. */
  async #watch(from: string, signal: AbortSignal): Promise<void> {
    const { client, kind, clock, random, namespace, labelSelector, fieldSelector } = this.#options;
    const limit = this.#options.silenceLimit ?? defaultSilenceLimit;
    const watchdog = createWatchdog(clock, limit, signal, () => {
      return new ApiError(`watch ${kind.plural}: nothing came for ${limit} ms`, { code: 0, reason: silence });
    });
    this.#state = 'watching';
    const started = clock.elapsed();
    let received = false;
    try {
      const events = client.watch(kind, {
        resourceVersion: from,
        namespace,
        labelSelector,
        fieldSelector,
        timeoutSeconds: Math.round(watchTimeout * (1 + random())),
        signal: watchdog.signal,
      });
      for await (const event of events) {
        watchdog.signal.throwIfAborted();
        watchdog.feed();
        received = true;
        this.#take(event);
      }
    } finally {
      watchdog.end();
    }
    signal.throwIfAborted();
    if (!received && clock.elapsed() - started < shortestWatch) {
      throw new ApiError(`watch ${kind.plural}: ended at once`, { code: 0, reason: 'Unreachable' });
    }
    this.#options.observe?.({ type: 'restart', cause: 'closed' });
  }

  #take(event: WatchEvent<T>): void {
    if (event.type === 'ERROR') throw event.error;
    this.#received();
    if (event.type === 'DELETED') this.#options.store.delete(event.object);
    else if (event.type !== 'BOOKMARK') this.#options.store.upsert(event.object);
    // Only after the store took it: should that fail, the event comes again.
    this.#version = event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata.resourceVersion;
  }

  /** Decides where to go on after a failure, and waits. Returns early when stopped. */
  async #recover(failure: unknown, healthy: number, signal: AbortSignal): Promise<void> {
    const { clock, log, namespace, store, observe } = this.#options;
    const cause = causeOf(failure);
    const waitMs = Math.round(this.#backoff.next(healthy));
    const nothing = cause === 'absent' ? cause : cause === 'refused' && namespace !== undefined ? 'closed' : undefined;
    if (cause === 'expired' || nothing !== undefined) this.#version = undefined;
    if (nothing !== undefined) this.#misses += 1;
    // What is there must not vanish because of one odd answer (a proxy, an API server that is just starting): it takes two.
    if (nothing !== undefined && (this.#misses > 1 || store.size === 0)) this.#leaveEmpty(nothing, failure);
    else {
      this.#state = 'waiting';
      this.#error = failure;
      log?.warn({ ...this.#about(), cause, err: failure, waitMs }, 'Watch broke');
    }
    observe?.({ type: 'restart', cause, error: failure });
    await clock.sleep(waitMs, signal).catch(() => undefined);
  }

  #leaveEmpty(state: Nothing, failure: unknown): void {
    const { log, store } = this.#options;
    const { level, begins } = news[state];
    if (this.#state !== state)
      log?.[level](state === 'closed' ? { ...this.#about(), err: failure } : this.#about(), begins);
    this.#state = state;
    this.#error = undefined;
    // A kind that does not exist has no objects; those of a namespace that does not let us in are only not known.
    this.#open = state === 'absent';
    this.#fill(store.replacing());
  }

  #about() {
    const { kind, namespace } = this.#options;
    return { resource: kind.plural, group: kind.group, ...(namespace === undefined ? {} : { namespace }) };
  }

  #fill(replacement: Replacement<T>): void {
    replacement.commit();
    this.#synced.resolve();
  }

  #received(): void {
    this.#lastEventAt = this.#options.clock.now();
    this.#error = undefined;
  }
}

/** States in which there is nothing to be had. */
type Nothing = Extract<ReflectorState, 'absent' | 'closed'>;

const news = {
  absent: { level: 'info', begins: 'Kind is not served', over: 'Kind is served now' },
  closed: {
    level: 'warn',
    begins: 'Namespace does not exist, or no role lets us into it',
    over: 'Namespace lets us in',
  },
} as const satisfies Record<Nothing, unknown>;

function isEmpty(state: ReflectorState): state is Nothing {
  return state === 'absent' || state === 'closed';
}

/** Reason of the error with which the watchdog ends a watch. */
const silence = 'Silent';

function causeOf(error: unknown): RestartCause {
  if (isGone(error)) return 'expired';
  if (isNotFound(error)) return 'absent';
  if (isForbidden(error)) return 'refused';
  return error instanceof ApiError && error.reason === silence ? 'silent' : 'error';
}
