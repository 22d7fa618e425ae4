import { apply_patch } from 'jsonpatch';
import { isObject, type JsonObject } from '../../shared/api/json.ts';
import type { Sent } from './request.ts';
import type { Answer } from './target.ts';

/** An answer as the API server reads it: whatever it would choke on is a crash. */

export interface Read {
  readonly faults: readonly string[];
  readonly allowed: boolean;
  readonly operations: readonly Operation[];
}

export interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

/** Bytes of a body above which an HTTP error is a fair answer. */
const largestBody = 7 * 1024 * 1024;

/** @param size bytes of the body that was answered. */
export function readAnswer({ code, body }: Answer, sent: Sent | undefined, size: number): Read {
  const review = parse(body);
  if (!isObject(review)) return crash(`HTTP ${code} with a body that is no JSON object`);
  if (code >= 500) return crash(`HTTP ${code}: ${body.slice(0, 200)}`);
  const uid = sent?.uid;
  if (code !== 200) {
    if (uid !== undefined && size <= largestBody)
      return crash(`HTTP ${code}, though there is a uid to answer to: ${body.slice(0, 200)}`);
    return { faults: typeof review['message'] === 'string' ? [] : ['an HTTP error without a message'], ...refused };
  }
  const { response } = review;
  if (review['kind'] !== 'AdmissionReview' || review['apiVersion'] !== 'admission.k8s.io/v1' || !isObject(response))
    return crash('HTTP 200 with something else than an AdmissionReview');
  const operations = operationsIn(response);
  const faults = [
    ...(response['uid'] === uid ? [] : [`the answer is to ${JSON.stringify(response['uid'])}`]),
    ...(typeof response['allowed'] === 'boolean' ? [] : ['allowed is neither true nor false']),
    ...(response['allowed'] === true ? [] : faultsOfRefusal(response)),
    ...warningFaults(response['warnings']),
    ...(operations === undefined ? ['the patch is no list of operations'] : []),
  ];
  return { faults, allowed: response['allowed'] === true, operations: operations ?? [] };
}

const refused = { allowed: false, operations: [] };

function crash(fault: string): Read {
  return { faults: [fault], ...refused };
}

function faultsOfRefusal({ status, patch }: JsonObject): readonly string[] {
  const { code, message } = isObject(status) ? status : {};
  const usual = typeof code === 'number' && code >= 400 && code < 600 && typeof message === 'string' && message !== '';
  return [
    ...(usual ? [] : ['a refusal without a code from 400 to 599 and a message']),
    ...(patch === undefined ? [] : ['a refusal with a patch']),
  ];
}

function warningFaults(warnings: unknown): readonly string[] {
  if (warnings === undefined) return [];
  const fine =
    Array.isArray(warnings) && warnings.every((line) => typeof line === 'string' && line.length <= 120 && line !== '');
  return fine ? [] : ['warnings that are no list of lines of at most 120 characters'];
}

function operationsIn({ patch, patchType }: JsonObject): readonly Operation[] | undefined {
  if (patch === undefined) return [];
  if (typeof patch !== 'string' || patchType !== 'JSONPatch') return undefined;
  const operations = parse(Buffer.from(patch, 'base64').toString());
  return Array.isArray(operations) && operations.every(isOperation) ? operations : undefined;
}

function isOperation(value: unknown): value is Operation {
  return isObject(value) && typeof value['op'] === 'string' && typeof value['path'] === 'string';
}

/** The object as the API server has it after the patch. @throws Error when the patch does not fit. */
export function patchedObject(object: unknown, operations: readonly Operation[]): unknown {
  if (operations.length === 0) return object;
  const list = [...operations] as Parameters<typeof apply_patch>[1];
  return renamed(apply_patch(renamed(object, '__proto__', standIn), list), standIn, '__proto__');
}

/** The library copies members by assignment, which would lose one of this name. */
const standIn = '\u0000__proto__';

/** In the object, its metadata and its annotations: further down the library does not go. */
function renamed(object: unknown, from: string, to: string, levels = 3): unknown {
  if (!isObject(object) || levels === 0) return object;
  const next = (key: string, value: unknown): unknown =>
    key === 'metadata' || key === 'annotations' ? renamed(value, from, to, levels - 1) : value;
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key === from ? to : key, next(key, value)]));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
