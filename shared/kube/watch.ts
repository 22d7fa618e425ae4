import type { Dispatcher } from 'undici';
import { isObject, parseObject } from '../api/json.ts';
import type { KubeObject, Stored } from '../api/objects.ts';
import type { Clock } from '../process/clock.ts';
import { errorOf, readError } from './answer.ts';
import type { Connection } from './connection.ts';
import { within } from './deadline.ts';
import { ApiError } from './errors.ts';
import { linesOf } from './lines.ts';
import { isStored } from './list.ts';
import { metadataTypes, nameOf, sendAuthenticated, unreachable } from './request.ts';
import { pathOf, type Resource } from './resource.ts';

/** One watch: opened once, read to its end. Starting again and starting over are the reflector's. */

export interface WatchOptions {
  /** The version that a list gave, or the last one that a watch did. */
  readonly resourceVersion: string;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** After so many seconds the server ends the watch by itself. */
  readonly timeoutSeconds?: number;
  /** The server tells the version about once a minute, also when nothing changes; default true. */
  readonly allowWatchBookmarks?: boolean;
  readonly signal?: AbortSignal;
}

export type WatchEvent<T extends KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: Stored<T> }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }
  | { readonly type: 'ERROR'; readonly error: ApiError };

/** The server answers a watch at once, before there is anything to tell. Milliseconds. */
const openWithin = 30_000;
/**
 * Bytes of one event. etcd takes requests below 1.5 MiB; as JSON, with binary data in base64 and managedFields, that is a few times
 * more. An event beyond 16 MiB is no object, and what is not read line by line would fill the memory.
 */
const lineLimit = 16 * 1024 * 1024;

interface Sender {
  readonly connection: Connection;
  readonly clock: Clock;
}

export async function* openWatch<T extends KubeObject>(
  sender: Sender,
  kind: Resource<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { namespace, signal } = options;
  const path = pathOf(kind, namespace === undefined ? {} : { namespace });
  const call = { verb: 'watch', path, accept: kind.metadataOnly === true ? metadataTypes.watch : undefined };
  const stream = new AbortController();
  const forward = (): void => stream.abort(signal?.reason);
  signal?.addEventListener('abort', forward, { once: true });
  try {
    const answer = await open(sender, call, options, stream.signal);
    for await (const line of linesOf(answer.body as AsyncIterable<Buffer>, lineLimit)) {
      yield parse<T>(call, line);
      signal?.throwIfAborted();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof ApiError ? error : unreachable(call, error);
  } finally {
    // Also when the caller leaves early: an unread stream would hold its connection until the server ends it.
    stream.abort();
    signal?.removeEventListener('abort', forward);
  }
}

interface Named {
  readonly verb: string;
  readonly path: string;
  readonly accept: string | undefined;
}

async function open(
  sender: Sender,
  call: Named,
  options: WatchOptions,
  stream: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const { labelSelector, fieldSelector, resourceVersion, timeoutSeconds, signal } = options;
  const query = {
    watch: true,
    labelSelector,
    fieldSelector,
    resourceVersion,
    timeoutSeconds,
    allowWatchBookmarks: options.allowWatchBookmarks ?? true,
  };
  const expired = (): ApiError => {
    const message = `${nameOf(call)}: no answer within ${openWithin} ms`;
    return new ApiError(message, { code: 0, reason: 'DeadlineExceeded' });
  };
  // The deadline is for the first answer only; the stream has a signal of its own.
  const answer = await within(sender.clock, openWithin, signal, expired, async () => {
    const send = { method: 'GET', path: call.path, query, accept: call.accept } as const;
    return await sendAuthenticated(sender.connection, send, stream, (route) => route.watches);
  });
  if (answer.statusCode === 200) return answer;
  throw await readError(answer, nameOf(call), sender.clock.now());
}

function parse<T extends KubeObject>(call: Named, line: string): WatchEvent<T> {
  const event = parseObject(line);
  if (event === undefined) throw invalid(call, 'an event is not a JSON object');
  const { type, object } = event;
  if (type === 'ERROR') return { type, error: errorOf(nameOf(call), codeOf(object), isObject(object) ? object : {}) };
  if (type === 'BOOKMARK') return { type, resourceVersion: versionOf(call, object) };
  if ((type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') && isStored<T>(object)) return { type, object };
  throw invalid(call, 'an event is no change of an object');
}

function codeOf(status: unknown): number {
  const code = isObject(status) ? status['code'] : undefined;
  return typeof code === 'number' ? code : 500;
}

function versionOf(call: Named, object: unknown): string {
  const metadata = isObject(object) ? object['metadata'] : undefined;
  const version = isObject(metadata) ? metadata['resourceVersion'] : undefined;
  if (typeof version === 'string') return version;
  throw invalid(call, 'a bookmark has no version');
}

function invalid(call: Named, what: string): ApiError {
  return new ApiError(`${nameOf(call)}: ${what}`, { code: 0, reason: 'InvalidAnswer' });
}
