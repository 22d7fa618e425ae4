import type { Dispatcher } from 'undici';
import manifest from '../../package.json' with { type: 'json' };
import type { Clock } from '../process/clock.ts';
import { readError, readJson, readPlain } from './answer.ts';
import type { Connection, Route } from './connection.ts';
import { within } from './deadline.ts';
import { ApiError, isRetryable } from './errors.ts';

/** One call to the API server: a deadline over everything, and repetition where it can do no harm. */

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  /** Ends the call; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call, retries included; default 30,000. */
  readonly deadline?: number | undefined;
}

export interface Call extends CallOptions {
  /** As RBAC has it: `get`, `list`, `create`, `patch`, `delete`; in messages and metrics. */
  readonly verb: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Escaped already; see `pathOf`. */
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
  /** What the answer is to be; default `application/json`. */
  readonly accept?: string | undefined;
  /**
   * `safe`: done twice is the same as done once, so it is repeated after a lost answer too. `refused`: repeated only when the server
   * said that it did nothing (429).
   */
  readonly retry: 'safe' | 'refused';
  /** The answer is text, and is not parsed. */
  readonly plain?: true;
  /** Bytes of the answer; default 16 MiB: etcd keeps objects below 1.5 MiB, and JSON is a few times larger than what it keeps. */
  readonly limit?: number;
}

/** What a call came to, for metrics. */
export interface CallReport {
  readonly verb: string;
  readonly method: string;
  /** HTTP status of the last answer; 0 when there was none. */
  readonly code: number;
  readonly ms: number;
  readonly retries: number;
}

export interface Sender {
  readonly connection: Connection;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly observe?: ((report: CallReport) => void) | undefined;
}

const userAgent = `clonegate/${manifest.version}`;
const defaultDeadline = 30_000;
const defaultLimit = 16 * 1024 * 1024;
const triesAtMost = 8;
/** What the API server calls an internal error is often one that comes again: an apply of an unknown field is answered so (measured). */
const triesAfterInternalError = 3;
const firstBackoff = 200;
const longestBackoff = 5_000;

interface Progress {
  tries: number;
  code: number;
  last?: ApiError;
}

/**
 * Sends a call and gives the parsed JSON of its answer, or its text where that is asked for.
 * @throws ApiError whatever the server answered, `Unreachable` or `DeadlineExceeded`; the signal's reason when that aborts.
 */
export async function request(sender: Sender, call: Call): Promise<unknown> {
  const started = sender.clock.elapsed();
  const deadline = call.deadline ?? defaultDeadline;
  const progress: Progress = { tries: 0, code: 0 };
  const expired = (): ApiError => deadlineError(call, deadline, progress);
  try {
    return await within(sender.clock, deadline, call.signal, expired, async (signal) => {
      return await repeat(sender, call, started + deadline, progress, signal);
    });
  } finally {
    const ms = sender.clock.elapsed() - started;
    const retries = Math.max(0, progress.tries - 1);
    sender.observe?.({ verb: call.verb, method: call.method, code: progress.code, ms, retries });
  }
}

async function repeat(
  sender: Sender,
  call: Call,
  end: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<unknown> {
  for (;;) {
    progress.tries += 1;
    try {
      const answer = await send(sender, call, signal);
      progress.code = answer.statusCode;
      const read = call.plain === true ? readPlain : readJson;
      return await read(answer, nameOf(call), call.limit ?? defaultLimit);
    } catch (error) {
      signal.throwIfAborted();
      const failure = error instanceof ApiError ? error : unreachable(call, error);
      progress.code = failure.code;
      progress.last = failure;
      const wait = waitBefore(call, failure, progress.tries, sender.random);
      // A server that wants more patience than we have gets no second call, and the caller the answer at once.
      if (wait === undefined || sender.clock.elapsed() + wait >= end) throw failure;
      await sender.clock.sleep(wait, signal);
    }
  }
}

/** Milliseconds before the next try; undefined when there must be none. */
function waitBefore(call: Call, failure: ApiError, tries: number, random: () => number): number | undefined {
  const repeatable = call.retry === 'safe' ? isRetryable(failure) : failure.code === 429;
  const most = failure.code === 500 ? triesAfterInternalError : triesAtMost;
  if (!repeatable || failure.reason === 'Closed' || tries >= most) return undefined;
  // Full jitter: callers that failed together must not come back together.
  const jitter = random() * Math.min(longestBackoff, firstBackoff * 2 ** (tries - 1));
  return (failure.retryAfter ?? 0) + jitter;
}

async function send(sender: Sender, call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const answer = await sendAuthenticated(sender.connection, call, signal, (route) => route.calls);
  if (answer.statusCode < 300) return answer;
  throw await readError(answer, nameOf(call), sender.clock.now());
}

/** Sends once, and once more with new credentials when these were refused: nothing is done before the caller is known. */
export async function sendAuthenticated(
  connection: Connection,
  call: Pick<Call, 'method' | 'path' | 'query' | 'body' | 'contentType' | 'accept'>,
  signal: AbortSignal,
  choose: (route: Route) => Dispatcher,
): Promise<Dispatcher.ResponseData> {
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const dispatch = async (route: Route): Promise<Dispatcher.ResponseData> =>
    await choose(route).request({
      origin: route.origin,
      path: `${route.prefix}${call.path}${queryOf(call.query)}`,
      method: call.method,
      headers: {
        ...route.headers,
        accept: call.accept ?? 'application/json',
        'user-agent': userAgent,
        ...(body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
      },
      body: body ?? null,
      signal,
    });
  const route = await connection.route();
  const answer = await dispatch(route);
  if (answer.statusCode !== 401) return answer;
  await answer.body.dump();
  return await dispatch(await connection.renew(route));
}

/** Content types of {@link Resource.metadataOnly}, with the ordinary one for a server that cannot leave anything out. */
export const metadataTypes = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json',
  watch: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json',
};

function queryOf(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

/** How a call is named to people: its verb and path, never its query (selectors) or body. */
export function nameOf(call: Pick<Call, 'verb' | 'path'>): string {
  return `${call.verb} ${call.path}`;
}

/** The error for a call that got no answer. Only the innermost code or message is told. */
export function unreachable(call: Pick<Call, 'verb' | 'path'>, cause: unknown): ApiError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : undefined;
  const message = cause instanceof Error && cause.message !== '' ? cause.message : (code ?? 'unknown cause');
  return new ApiError(`${nameOf(call)}: no answer: ${message}`, { code: 0, reason: 'Unreachable', cause });
}

function deadlineError(call: Call, deadline: number, progress: Progress): ApiError {
  const last = progress.last === undefined ? '' : `; the last: ${progress.last.message}`;
  const tries = progress.tries === 1 ? '1 try' : `${progress.tries} tries`;
  progress.code = 0;
  return new ApiError(`${nameOf(call)}: no answer within ${deadline} ms, ${tries}${last}`, {
    code: 0,
    reason: 'DeadlineExceeded',
    cause: progress.last,
  });
}
