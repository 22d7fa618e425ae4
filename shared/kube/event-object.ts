import { createHash } from 'node:crypto';
import type { Event, ObjectReference } from '../api/objects.ts';
import type { ReasonCode } from '../api/reasons.ts';
import { microTime } from './microtime.ts';

/** From what happened to the Event that tells it, within the API server's limits. Whatever users wrote into it is made harmless. */

export interface Emission {
  /** Where the event is stored; for an object with a namespace, its namespace. */
  readonly namespace: string;
  readonly regarding: ObjectReference;
  readonly related?: ObjectReference;
  readonly reason: ReasonCode;
  /** What was being done, in CamelCase: `Authorize`, `Clone`. */
  readonly action: string;
  readonly type: 'Normal' | 'Warning';
  /** For people; cut to 1024 bytes. */
  readonly note: string;
  /** Occurrences of the same key and reason become one event with a count; by default those of the same object and note. */
  readonly key?: string;
  /** Whose budget it is taken from, such as the user who caused it; without it only the budget of all together counts. */
  readonly budgetKey?: string;
  /** False: when its namespace does not take it, it is dropped and counted instead of written to the fallback namespace. */
  readonly fallback?: boolean;
  /** Those whose value is not a valid label value (the name of an object may be too long) are left out. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Reporter {
  /** Qualified name, `clonegate.io/webhook`. */
  readonly reportingController: string;
  /** Name of the pod. */
  readonly reportingInstance: string;
}

/** The API server's limits, in bytes. */
const longestNote = 1024;
const longestInstance = 128;
/** Longest name of any Kubernetes object. */
const longestName = 253;
/** Ours: annotations together may have 256 KiB, and we have about a dozen. */
const longestAnnotation = 4096;

const labelValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/u;

/**
 * Name of the event of this key in the window that begins at `window`: the same in every replica, so that they meet in one event.
 */
export function eventName(emission: Emission, reporter: Reporter, window: number): string {
  const { namespace, regarding, reason, note, key } = emission;
  const { kind = '', name = '', uid = '' } = regarding;
  const identity =
    key === undefined ? ['by object', kind, regarding.namespace ?? '', name, uid, note] : ['by key', key];
  return nameOf([reporter.reportingController, namespace, reason, window, ...identity]);
}

/** Another name for an event whose name is taken by a foreign object of this uid; again the same in every replica. */
export function nameBeside(name: string, occupant: string): string {
  return nameOf([name, occupant]);
}

function nameOf(parts: readonly unknown[]): string {
  return `clonegate-${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)}`;
}

/** An event before it has a place and a count. It shares no memory with the emission, whose texts may be of any length. */
export interface EventBody extends Omit<Event, 'metadata' | 'series'> {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
}

/**
 * A time of this reporter. What our clock does not know, the digits below a millisecond, is a mark of who wrote it: by it a writer
 * whose answer was lost tells its own write from one that another replica made in the same moment.
 */
export function markedTime(ms: number, { reportingInstance }: Pick<Reporter, 'reportingInstance'>): string {
  const digest = createHash('sha256').update(reportingInstance).digest();
  return microTime(ms, digest.readUInt32BE() % 1000);
}

/** The event as it is created for its first occurrence, at `time`. */
export function eventBody(emission: Emission, reporter: Reporter, time: number): EventBody {
  const { regarding, related, reason, action, type, note, labels = {}, annotations = {} } = emission;
  const fit = Object.entries(labels).filter(([, value]) => labelValue.test(value));
  const notes = Object.entries(annotations).map(([name, value]) => [name, clean(value, longestAnnotation)]);
  return {
    metadata: { labels: Object.fromEntries(fit), annotations: Object.fromEntries(notes) },
    eventTime: markedTime(time, reporter),
    type,
    reason,
    action,
    note: clean(note, longestNote),
    regarding: cleanReference(regarding),
    ...(related === undefined ? {} : { related: cleanReference(related) }),
    reportingController: reporter.reportingController,
    reportingInstance: clean(reporter.reportingInstance, longestInstance) || 'unknown',
  };
}

function cleanReference(reference: ObjectReference): ObjectReference {
  const { apiVersion, kind, namespace, name, uid } = reference;
  const fields = Object.entries({ apiVersion, kind, namespace, name, uid });
  return Object.fromEntries(
    fields.flatMap(([key, value]) => (value === undefined ? [] : [[key, clean(value, longestName)]])),
  );
}

/** Control characters, line ends and those that reorder text could make one line look like another, or like several. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** One line of well-formed text of at most `limit` bytes of UTF-8; what is cut off is replaced by an ellipsis. */
export function clean(text: string, limit: number): string {
  // No character takes less than a byte, so the rest can never be kept; looking at it would cost time that a hostile text is long.
  const line = text
    .slice(0, limit + 1)
    .toWellFormed()
    .replaceAll(unprintable, ' ');
  const whole = Buffer.from(line);
  // Through bytes also when nothing is cut: a slice would keep all of the text that it is a slice of in memory.
  if (text.length <= limit && whole.length <= limit) return whole.toString();
  const ellipsis = '…';
  const bytes = whole.subarray(0, limit - Buffer.byteLength(ellipsis));
  // Without its end, the last character may be a part of one: decoding says so, and it goes.
  return new TextDecoder().decode(bytes, { stream: true }) + ellipsis;
}
