/** What the API server (or the way to it) answered when it did not do what we asked. */

/** metav1.Status, as far as we read it. */
export interface Status {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number; readonly causes?: unknown };
}

interface ApiErrorInit {
  /** HTTP status; 0 when no answer came at all (refused, reset, deadline). */
  readonly code: number;
  /** metav1.StatusReason such as `NotFound`; `Unreachable`, `DeadlineExceeded`, `InvalidAnswer` or `Closed` for code 0. */
  readonly reason: string;
  /** Wait at least so long before the next try, in milliseconds; from Retry-After. */
  readonly retryAfter?: number;
  /** Fields that the server found wrong, such as `metadata.uid`; from the causes of a Status. */
  readonly fields?: readonly string[];
  readonly cause?: unknown;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: number;
  readonly reason: string;
  readonly retryAfter: number | undefined;
  readonly fields: readonly string[];

  constructor(message: string, init: ApiErrorInit) {
    super(message, { cause: init.cause });
    this.code = init.code;
    this.reason = init.reason;
    this.retryAfter = init.retryAfter;
    this.fields = init.fields ?? [];
  }
}

function has(error: unknown, reason: string): boolean {
  return error instanceof ApiError && error.reason === reason;
}

export const isNotFound = (error: unknown): boolean => has(error, 'NotFound');
export const isAlreadyExists = (error: unknown): boolean => has(error, 'AlreadyExists');
export const isConflict = (error: unknown): boolean => has(error, 'Conflict');
export const isForbidden = (error: unknown): boolean => has(error, 'Forbidden');

/** The watch or list token is too old: only a new list helps (HTTP 410, `Expired` or `Gone`). */
export function isGone(error: unknown): boolean {
  return error instanceof ApiError && (error.code === 410 || error.reason === 'Expired' || error.reason === 'Gone');
}

/** Whether the same call may succeed a little later: no answer, overload, or a server error. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ApiError && (error.code === 0 || error.code === 429 || error.code >= 500);
}
