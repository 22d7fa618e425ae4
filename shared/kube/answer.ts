import type { Dispatcher } from 'undici';
import { isObject, parseObject } from '../api/json.ts';
import { ApiError, type Status } from './errors.ts';

/** From an HTTP answer to parsed JSON, or to the ApiError that it means. */

type Answer = Dispatcher.ResponseData;

/** A Status is a sentence or two; whatever is longer comes from something in between that is not an API server. */
const errorLimit = 64 * 1024;
const messageLimit = 1_000;

/** metav1.StatusReason for answers that bring no Status, as the API server's own status errors have it. */
const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** @throws ApiError `AnswerTooLarge`. */
export async function readPlain(answer: Answer, call: string, limit: number): Promise<string> {
  const text = await readText(answer, limit);
  if (text !== undefined) return text;
  const message = `${call}: the answer is larger than ${limit} bytes`;
  throw new ApiError(message, { code: answer.statusCode, reason: 'AnswerTooLarge' });
}

/** @throws ApiError `AnswerTooLarge`, or `InvalidAnswer` when it is not JSON. */
export async function readJson(answer: Answer, call: string, limit: number): Promise<unknown> {
  const text = await readPlain(answer, call, limit);
  try {
    return JSON.parse(text);
  } catch {
    // JSON.parse quotes the text in its message, and that text may be a Secret: it is not kept, not even as the cause.
    throw new ApiError(`${call}: the answer is not JSON`, { code: 0, reason: 'InvalidAnswer' });
  }
}

/** The error that an answer with a code of 300 or more stands for. `now` is for a Retry-After that names a date. */
export async function readError(answer: Answer, call: string, now: number): Promise<ApiError> {
  const status = statusOf(await readText(answer, errorLimit).catch(() => undefined));
  const after = retryAfterOf(answer.headers['retry-after'], now) ?? secondsOf(status.details?.retryAfterSeconds);
  return errorOf(call, answer.statusCode, status, after);
}

/** The error for a Status, from an answer or from an ERROR event of a watch. */
export function errorOf(call: string, code: number, status: Status, retryAfter?: number): ApiError {
  const reason = textOf(status.reason) ?? reasons[code] ?? 'Unknown';
  const said = textOf(status.message);
  const message = said === undefined ? '' : `: ${said.slice(0, messageLimit)}`;
  const wait = retryAfter ?? secondsOf(status.details?.retryAfterSeconds);
  return new ApiError(`${call}: ${code} ${reason}${message}`, {
    code,
    reason,
    fields: fieldsOf(status),
    ...(wait === undefined ? {} : { retryAfter: wait }),
  });
}

async function readText(answer: Answer, limit: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop destroys the body, and with it the connection: the rest is never read.
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size).toString('utf8');
}

function statusOf(text: string | undefined): Status {
  const parsed = parseObject(text ?? '');
  // What is no Status comes from something in between (a proxy's page); the code alone has to do then.
  return parsed?.['kind'] === 'Status' ? parsed : {};
}

function fieldsOf(status: Status): readonly string[] {
  const causes: unknown = status.details?.causes;
  if (!Array.isArray(causes)) return [];
  return causes.flatMap((cause: unknown) =>
    isObject(cause) && typeof cause['field'] === 'string' ? [cause['field']] : [],
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function secondsOf(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value * 1_000 : undefined;
}

/** RFC 9110 section 10.2.3: seconds or a date. */
function retryAfterOf(header: string | string[] | undefined, now: number): number | undefined {
  const value = Array.isArray(header) ? header[0] : header;
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
