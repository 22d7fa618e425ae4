import type { Event, Stored } from '../api/objects.ts';
import type { CallOptions, Client } from './client.ts';
import { ApiError, isAlreadyExists, isConflict, isNotFound } from './errors.ts';
import { type EventBody, markedTime, nameBeside } from './event-object.ts';
import { events } from './resource.ts';

/** Occurrences that belong into one event, and how they get there: the first by create, the others by patching its count. */

/** Occurrences on their way to the API server. Kept until their fate is known, so that a repeated try is seen as one. */
interface Parcel {
  readonly count: number;
  readonly time: string;
  /** The sum that the series would have with them, once that was tried. */
  tried?: number;
}

/** With several writers on one event somebody always gets through; the bound is for what nobody thought of. */
const triesAtMost = 5;

export class EventSeries {
  /** The name that it has unless that is taken; the key of the recorder's memory. */
  readonly id: string;
  readonly body: EventBody;
  namespace: string;
  /** Occurrences that are not known to be recorded. */
  pending = 1;
  /** `clock.elapsed()` of the last write. */
  writtenAt = Number.NEGATIVE_INFINITY;
  /** Whether it may go to another namespace when its own does not take it. */
  mayMove = true;
  /** The API server will not take this event; its further occurrences are only counted. */
  refused = false;
  #name: string;
  #last: number;
  #stored: Stored<Event> | undefined;
  #parcel: Parcel | undefined;

  constructor(namespace: string, name: string, body: EventBody, time: number) {
    this.id = name;
    this.#name = name;
    this.namespace = namespace;
    this.body = body;
    this.#last = time;
  }

  get isStored(): boolean {
    return this.#stored !== undefined;
  }

  occurred(time: number): void {
    this.pending += 1;
    this.#last = time;
  }

  /** Records what is pending. @returns how many that was. @throws ApiError; the same call again goes on where it failed. */
  async write(client: Pick<Client, 'get' | 'create' | 'mergePatch'>, call: CallOptions): Promise<number> {
    this.#parcel ??= { count: this.pending, time: markedTime(this.#last, this.body) };
    const parcel = this.#parcel;
    for (let tries = 0; tries < triesAtMost; tries += 1) {
      if (await this.#deliver(client, parcel, call)) {
        this.#parcel = undefined;
        this.pending -= parcel.count;
        return parcel.count;
      }
    }
    throw new ApiError(`event ${this.#name} is changed by others all the time`, { code: 409, reason: 'Conflict' });
  }

  /** Gives up what is pending. @returns how many that was. */
  abandon(): number {
    const lost = this.pending;
    this.pending = 0;
    this.#parcel = undefined;
    return lost;
  }

  /** @returns false when it has to be tried again with what was learned. */
  async #deliver(
    client: Pick<Client, 'get' | 'create' | 'mergePatch'>,
    parcel: Parcel,
    call: CallOptions,
  ): Promise<boolean> {
    try {
      if (this.#stored === undefined) this.#stored = await client.create(events, this.#object(parcel), call);
      else await this.#count(client, this.#stored, parcel, call);
      return true;
    } catch (error) {
      if (isAlreadyExists(error) || isConflict(error)) return this.#meet(client, parcel, call);
      // It was there and is gone, by its TTL or by hand: the next try makes it again.
      if (isNotFound(error) && this.#stored !== undefined) {
        this.#stored = undefined;
        return false;
      }
      throw error;
    }
  }

  #object(parcel: Parcel): Event {
    const { metadata, ...rest } = this.body;
    parcel.tried = parcel.count;
    return {
      metadata: { ...metadata, namespace: this.namespace, name: this.#name },
      ...rest,
      ...(parcel.count < 2 ? {} : { series: { count: parcel.count, lastObservedTime: parcel.time } }),
    };
  }

  async #count(
    client: Pick<Client, 'mergePatch'>,
    stored: Stored<Event>,
    parcel: Parcel,
    call: CallOptions,
  ): Promise<void> {
    const { name, resourceVersion } = stored.metadata;
    const count = countOf(stored) + parcel.count;
    parcel.tried = count;
    const seen = stored.series?.lastObservedTime ?? '';
    // Of two replicas with different clocks, the later time counts. Both are UTC in the same form, so they compare as text.
    const series = { count, lastObservedTime: seen > parcel.time ? seen : parcel.time };
    const preconditions = { resourceVersion };
    const ref = { namespace: this.namespace, name };
    this.#stored = await client.mergePatch(events, ref, { series }, { ...call, preconditions });
  }

  /** Somebody else wrote this event: another replica, we ourselves by a call whose answer was lost, or a stranger. */
  async #meet(client: Pick<Client, 'get'>, parcel: Parcel, call: CallOptions): Promise<boolean> {
    let found: Stored<Event>;
    try {
      found = await client.get(events, { namespace: this.namespace, name: this.#name }, call);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#stored = undefined;
      return false;
    }
    const { reportingController, reason } = found;
    if (reportingController !== this.body.reportingController || reason !== this.body.reason) {
      // Names can be foretold, and whoever may create events could hide ours behind theirs. Their uid could not be foretold.
      this.#name = nameBeside(this.#name, found.metadata.uid);
      return false;
    }
    this.#stored = found;
    return this.#hasArrived(found, parcel);
  }

  #hasArrived(found: Stored<Event>, { tried, time }: Parcel): boolean {
    if (tried === undefined || countOf(found) !== tried) return false;
    if (found.series !== undefined) return found.series.lastObservedTime === time;
    const { eventTime, reportingInstance } = this.body;
    return found.eventTime === eventTime && found.reportingInstance === reportingInstance;
  }
}

function countOf(event: Event): number {
  return event.series?.count ?? 1;
}
