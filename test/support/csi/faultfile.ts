import { createHash } from 'node:crypto';
import { status } from '@grpc/grpc-js';

/**
 * The faults file, one JSON object: CSI method → what to do to its calls. Example:
 *
 *     { "CreateVolume": { "mode": "once", "code": "INTERNAL", "message": "disk on fire", "source": "any" },
 *       "CreateSnapshot": { "mode": "delay", "ms": 500 } }
 *
 * `delay` waits before the call is carried out, `hold` until the fault is taken away, `once` lets one call fail and then no more, `always` lets
 * all fail.
 * `source` narrows a fault to CreateVolume calls that clone (`volume`), restore (`snapshot`) or do either (`any`).
 *
 * One entry is about no call but about the bytes of volumes, those that are staged while it is there:
 *
 *     { "Medium": { "readsFrom": 1048576, "writesFrom": 0 } }
 *
 * Reads and writes that reach beyond such a byte of the device fail with EIO; without the number they succeed. The numbers may come, change
 * and go while the volume is in use, and hold from the next read or write on. Such a volume knows no discard, and does not grow.
 */
export type Fault = { readonly source?: FaultSource; readonly id?: string } & (
  | { readonly mode: 'delay'; readonly ms: number }
  | { readonly mode: 'hold' }
  | { readonly mode: 'once' | 'always'; readonly code: StatusName; readonly message?: string }
);

export type FaultSource = 'volume' | 'snapshot' | 'any';
export type StatusName = keyof typeof status;
export type Faults = Readonly<Record<string, Fault>>;

/** Beside the faults file: which fault (by id) struck how often. Written by the driver, read by tests. */
export type Strikes = Readonly<Record<string, number>>;

export const strikesFile = (faultsFile: string): string => `${faultsFile}.strikes`;

/** The methods that can be made to fail: all that change something, and the listing. */
export const FAULT_METHODS = [
  'CreateVolume',
  'DeleteVolume',
  'ValidateVolumeCapabilities',
  'CreateSnapshot',
  'DeleteSnapshot',
  'ListSnapshots',
  'ControllerExpandVolume',
  'NodeStageVolume',
  'NodeUnstageVolume',
  'NodePublishVolume',
  'NodeUnpublishVolume',
  'NodeExpandVolume',
  'NodeGetVolumeStats',
] as const;

export type FaultMethod = (typeof FAULT_METHODS)[number];

/** From which byte of a device on reading and writing fail. */
export interface Medium {
  readonly readsFrom?: number;
  readonly writesFrom?: number;
}

/** A faults file that says something the driver does not understand. A fault that is silently ignored tests nothing. */
export class FaultsError extends Error {
  override readonly name = 'FaultsError';
}

/** Those of calls. @throws FaultsError that says where the text is wrong. */
export function parseFaults(text: string): Faults {
  return parse(text).calls;
}

/** That of the bytes, if there is one. @throws FaultsError that says where the text is wrong. */
export function parseMedium(text: string): Medium | undefined {
  return parse(text).medium;
}

function parse(text: string): { readonly calls: Faults; readonly medium: Medium | undefined } {
  const parsed = parseJson(text);
  if (!isObject(parsed)) throw new FaultsError('the faults file must hold a JSON object: method → fault');
  for (const [method, fault] of Object.entries(parsed)) {
    const wrong = method === 'Medium' ? wrongMedium(fault) : (wrongMethod(method) ?? wrongFault(method, fault));
    if (wrong !== undefined) throw new FaultsError(`fault for ${method}: ${wrong}`);
  }
  const { Medium: medium, ...calls } = parsed;
  return { calls: calls as Faults, medium: medium as Medium | undefined };
}

/** Tells one fault from another. One without an id of its own is the same as long as its text is. */
export function faultId(method: string, fault: Fault): string {
  if (fault.id !== undefined) return fault.id;
  const digest = createHash('sha256').update(JSON.stringify(fault)).digest('hex').slice(0, 16);
  return `${method}-${digest}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FaultsError(`the faults file is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

function wrongMethod(method: string): string | undefined {
  if (FAULT_METHODS.some((known) => known === method)) return undefined;
  return `no such method; known are ${FAULT_METHODS.join(', ')}`;
}

function wrongMedium(medium: unknown): string | undefined {
  if (!isObject(medium)) return 'must be an object, with "readsFrom" or "writesFrom" if anything is to fail';
  for (const [name, from] of Object.entries(medium)) {
    if (name !== 'readsFrom' && name !== 'writesFrom') return `"${name}" is neither "readsFrom" nor "writesFrom"`;
    if (!Number.isSafeInteger(from) || Number(from) < 0) return `"${name}" must be a number of bytes, 0 or more`;
  }
  return undefined;
}

function wrongFault(method: string, fault: unknown): string | undefined {
  if (!isObject(fault)) return 'must be an object with a "mode"';
  return wrongMode(fault) ?? wrongSource(method, fault['source']) ?? wrongId(fault['id']);
}

function wrongMode(fault: Readonly<Record<string, unknown>>): string | undefined {
  const { mode, ms, code, message } = fault;
  if (mode === 'delay') {
    return typeof ms === 'number' && ms >= 0 ? undefined : '"ms" must be a number of milliseconds, 0 or more';
  }
  if (mode === 'hold') return undefined;
  if (mode !== 'once' && mode !== 'always') return '"mode" must be "delay", "hold", "once" or "always"';
  if (typeof code !== 'string' || !Object.hasOwn(status, code) || code === 'OK' || /^\d/.test(code)) {
    return '"code" must be the name of a gRPC error, "INTERNAL" for example';
  }
  return message === undefined || typeof message === 'string' ? undefined : '"message" must be a text';
}

function wrongSource(method: string, source: unknown): string | undefined {
  if (source === undefined) return undefined;
  if (method !== 'CreateVolume') return '"source" narrows CreateVolume only';
  return source === 'volume' || source === 'snapshot' || source === 'any'
    ? undefined
    : '"source" must be "volume", "snapshot" or "any"';
}

function wrongId(id: unknown): string | undefined {
  return id === undefined || (typeof id === 'string' && id !== '') ? undefined : '"id" must be a text, not empty';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
