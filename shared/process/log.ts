import { type DestinationStream, type Logger, pino } from 'pino';
import { type Clock, systemClock } from './clock.ts';

/**
 * One JSON object per line, in the keys of Kubernetes' own JSON logs: `ts` (seconds, with fraction), `level`, `logger`, `msg`, `err`.
 * The message is constant text; whatever varies goes into lowerCamelCase keys before it: `log.info({ dataVolume }, 'Clone started')`.
 * Levels: error = a person is needed, warn = degraded but mends itself, info = state changed, debug = looked and found nothing to do.
 */

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** Which program or part speaks; the key `logger`. */
  readonly name: string;
  /** Where the lines go; standard output when absent. */
  readonly destination?: DestinationStream;
  readonly clock?: Pick<Clock, 'now'>;
}

/** Values that must never be printed wherever a caller put them; two levels deep, which is deeper than our lines are. */
const secretKeys = ['token', 'authorization', 'data', 'stringData', 'extra', 'password'];
const redacted = secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/** Keys that name a Kubernetes object: printed as kind, namespace, name and uid, also when the whole object was handed over. */
const objectKeys = ['object', 'dataVolume', 'source', 'claim', 'regarding'] as const;

/** A message from elsewhere (an API server, a driver) may be of any length. */
const longestMessage = 2048;
const deepestCause = 4;

/** A logger of its own, without any state shared with other loggers. */
export function createLogger({ level, name, destination, clock = systemClock }: LogOptions): Logger {
  return pino(
    {
      level,
      base: { logger: name },
      messageKey: 'msg',
      timestamp: () => `,"ts":${clock.now() / 1000}`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redacted, censor: '[redacted]' },
      serializers: {
        err: (error: unknown) => describeError(error),
        ...Object.fromEntries(objectKeys.map((key) => [key, describeObject])),
      },
    },
    // Synchronous, so that the last line before an exit is not lost.
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
}

/** What may be said of an error: never its headers, bodies or any other field that a library hung onto it. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: cut(String(error)) };
  const { name, message, stack, cause } = error;
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [];
  const code = 'code' in error ? error.code : undefined;
  const reason = 'reason' in error ? error.reason : undefined;
  return {
    type: name,
    message: cut(message),
    ...(isScalar(code) ? { code } : {}),
    ...(isScalar(reason) ? { reason } : {}),
    ...(depth === 0 && stack !== undefined ? { stack: cut(stack) } : {}),
    ...(cause === undefined || depth >= deepestCause ? {} : { cause: describeError(cause, depth + 1) }),
    ...(errors.length === 0 || depth >= deepestCause
      ? {}
      : { errors: errors.slice(0, 5).map((each) => describeError(each, depth + 1)) }),
  };
}

/** Kind, namespace, name and uid of an object or of a reference to one; anything else stays as it is. */
function describeObject(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { kind, metadata } = value as { kind?: unknown; metadata?: unknown };
  const named = typeof metadata === 'object' && metadata !== null ? metadata : value;
  const { namespace, name, uid } = named as { namespace?: unknown; name?: unknown; uid?: unknown };
  const parts = Object.entries({ kind, namespace, name, uid });
  return Object.fromEntries(parts.filter(([, part]) => isScalar(part)));
}

function isScalar(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

function cut(text: string): string {
  return text.length <= longestMessage ? text : `${text.slice(0, longestMessage)}…`;
}
