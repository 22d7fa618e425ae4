import type { Event, ObjectReference } from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import { ApiError } from '../shared/kube/errors.ts';
import { clean } from '../shared/kube/event-object.ts';
import { events } from '../shared/kube/resource.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';

/**
 * What the events of other programs say about an object. They are not watched: the API server keeps events out of its watch cache, so a
 * watch would put every event of the cluster through etcd and us, for the few that matter here. They are listed, by selector, only when
 * a clone has already taken longer than clones do; clones that go well never pay for it. An event is a hint that anyone may write who
 * can write events in the namespace, so it never does more than to make a clone go on in another way that was allowed.
 */
export interface Evidence {
  /** The last event of the object in one line, with its type and reason; undefined when there is none or it cannot be read. */
  lastEvent(object: ObjectReference, signal: AbortSignal): Promise<string | undefined>;
  /** What the provisioner said of this claim, if that was its last word. Of one moment for all claims of a namespace. */
  provisioning(claim: ObjectReference, signal: AbortSignal): Promise<string | undefined>;
}

/** Milliseconds for which one list answers for all claims of its namespace. */
const fresh = 10_000;
/** Bytes of what others wrote. */
const longestQuote = 400;

interface Look {
  readonly at: number;
  /** By the uid of the claim. */
  readonly notes: Promise<ReadonlyMap<string, string>>;
}

/** The last words about one object. */
interface Said {
  readonly at: number;
  readonly words: string;
}

export function createEvidence(client: Pick<Client, 'pages'>, clock: Clock, log: Logger): Evidence {
  const looks = new Map<string, Look>();
  /** By the uid of the object. Of each event no more is kept than is said of it: there may be many, and each may be long. */
  const last = async (
    namespace: string,
    fieldSelector: string,
    words: (event: Event) => string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Said>> => {
    const found = new Map<string, Said>();
    try {
      for await (const { items } of client.pages(events, { namespace, fieldSelector, signal })) {
        for (const event of items) {
          const [uid, at] = [event.regarding.uid ?? '', timeOf(event)];
          // Of equal ones the later in the list.
          if (at >= (found.get(uid)?.at ?? 0)) found.set(uid, { at, words: clean(words(event), longestQuote) });
        }
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Only words are lost; what the clone waits for is known without them.
      log.warn({ err: error, namespace }, 'Events could not be listed');
      return new Map();
    }
    return found;
  };
  const failures = async (namespace: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> => {
    const found = await last(namespace, 'reason=ProvisioningFailed', ({ note }) => note, signal);
    return new Map([...found].map(([uid, { words }]) => [uid, words]));
  };
  return {
    lastEvent: async ({ namespace, name, uid, kind }, signal) => {
      if (namespace === undefined || name === undefined) return undefined;
      const which = uid === undefined ? `regarding.kind=${kind ?? ''},regarding.name=${name}` : `regarding.uid=${uid}`;
      const found = await last(namespace, which, ({ type, reason, note }) => `${type} ${reason}: ${note}`, signal);
      return [...found.values()].toSorted((a, b) => a.at - b.at).at(-1)?.words;
    },
    provisioning: async ({ namespace = '', uid = '' }, signal) => {
      const now = clock.elapsed();
      for (const [key, { at }] of looks) if (now - at >= fresh) looks.delete(key);
      const look = looks.get(namespace) ?? { at: now, notes: failures(namespace, signal) };
      looks.set(namespace, look);
      // Given up with the pass that asked, it must not answer those that ask later.
      look.notes.catch(() => looks.delete(namespace));
      return (await look.notes).get(uid);
    },
  };
}

/** When it happened last, by whichever of its times its writer has set. */
function timeOf({ series, deprecatedLastTimestamp, eventTime, metadata }: Event): number {
  const text = series?.lastObservedTime ?? deprecatedLastTimestamp ?? eventTime ?? metadata.creationTimestamp;
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? 0 : time;
}

/** gRPC codes by which CSI says that the same call will never succeed (csi-spec, CreateVolume and CreateSnapshot errors). */
const finalCodes: ReadonlySet<string> = new Set([
  'InvalidArgument',
  'NotFound',
  'AlreadyExists',
  'OutOfRange',
  'Unimplemented',
]);

/** What the storage said, when it was its last word: it will not be said otherwise by asking again. */
export function finalFailure(said: string | undefined): string | undefined {
  const { code, why } = /rpc error: code = (?<code>[A-Za-z]+)(?: desc = (?<why>.*))?/u.exec(said ?? '')?.groups ?? {};
  if (code === undefined || !finalCodes.has(code)) return undefined;
  return why === undefined || why === '' ? code : `${code}: ${why}`;
}
