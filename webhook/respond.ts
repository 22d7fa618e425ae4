import type { AdmissionResponse, StatusCause } from '../shared/api/admission.ts';
import type { ReasonCode } from '../shared/api/reasons.ts';
import type { PatchOperation } from './patch.ts';
import { cut, oneLine } from './words.ts';

/** The only makers of an AdmissionResponse: nobody puts one together by hand, so none can allow what it means to refuse. */

/** Why the answer is not yes. */
export interface Refusal {
  readonly reason: ReasonCode;
  /** What, where, why and how to mend it; shown to the requester. */
  readonly message: string;
  /** The fields it is about. */
  readonly causes?: readonly Cause[];
}

export interface Cause {
  readonly field: string;
  /** What is wrong with this field; by default the whole message. */
  readonly message?: string;
}

/** The object is wrong whoever sends it; all of its faults at once. */
export function faulty(faults: readonly Required<Cause>[]): Refusal {
  const message = faults.map(({ field, message: text }) => `${field}: ${text}`).join('; ');
  return { reason: 'CloneRejected', message, causes: faults };
}

/** HTTP status and metav1.StatusReason of those codes that are about the requester's rights, and of those where trying again may help. */
const statuses: Partial<Record<ReasonCode, readonly [code: number, reason: string]>> = {
  CloneDenied: [403, 'Forbidden'],
  CloneVetoed: [403, 'Forbidden'],
  ReservedAnnotation: [403, 'Forbidden'],
  // As the API server answers what is over a quota.
  QuotaExceeded: [403, 'Forbidden'],
  MalformedReview: [400, 'BadRequest'],
  CloneAuthorizationFailed: [503, 'ServiceUnavailable'],
  StampMissing: [503, 'ServiceUnavailable'],
  StampMismatch: [409, 'Conflict'],
  StampInvalid: [409, 'Conflict'],
};

/** All other codes say what is wrong with the object. */
const invalid = [422, 'Invalid'] as const;

/** `kubectl` prints every cause; more would bury the first. */
const mostCauses = 10;

/** An Event's note holds 1,024 bytes; an API server's log line not much more. */
const longestMessage = 2000;

/** How long a warning may be: the API server may cut longer ones (design 5, users.md 4.6). */
const longestWarning = 120;

export function allowed(uid: string): AdmissionResponse {
  return { uid, allowed: true };
}

/** Allowed with changes; without operations simply allowed. */
export function patched(uid: string, operations: readonly PatchOperation[]): AdmissionResponse {
  if (operations.length === 0) return allowed(uid);
  const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { uid, allowed: true, patchType: 'JSONPatch', patch };
}

/** No: the requester may not (403) or the object is not right (422). Asking again gives the same answer. */
export function denied(uid: string, refusal: Refusal): AdmissionResponse {
  return refused(uid, refusal);
}

/** Neither yes nor no: the question could not be answered (5xx) or the object is not what was answered for (409). Never allows. */
export function errored(uid: string, refusal: Refusal): AdmissionResponse {
  return refused(uid, refusal);
}

function refused(uid: string, { reason, message, causes = [] }: Refusal): AdmissionResponse {
  const [code, status] = statuses[reason] ?? invalid;
  const about: readonly Cause[] = causes.length === 0 ? [{ field: '' }] : causes.slice(0, mostCauses);
  const listed = about.map(({ field, message: own = message }): StatusCause => {
    // Of an invalid object kubectl shows the causes' fields and messages and nothing else, so the code stands there too.
    return { reason, message: print(`${own} (${reason})`), field };
  });
  return {
    uid,
    allowed: false,
    // kubectl does not show causes[].reason.
    status: { code, reason: status, message: print(`${reason}: ${message}`), details: { causes: listed } },
  };
}

/** Messages quote what strangers wrote. */
function print(message: string): string {
  return cut(oneLine(message), longestMessage);
}

/** With lines that kubectl shows to the requester; each is cut to what the API server passes on. */
export function withWarnings(response: AdmissionResponse, warnings: readonly string[]): AdmissionResponse {
  if (warnings.length === 0) return response;
  const lines = warnings.map((warning) => cut(oneLine(warning), longestWarning));
  return { ...response, warnings: lines };
}

/** Adds what the API server writes into its audit log, under `<webhook>/<key>`. */
export function withAudit(
  response: AdmissionResponse,
  annotations: Readonly<Record<string, string>>,
): AdmissionResponse {
  return { ...response, auditAnnotations: { ...response.auditAnnotations, ...annotations } };
}
