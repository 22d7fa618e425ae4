import type { CloneSource, SourceRef } from '../api/datavolume.ts';
import { isObject, type JsonObject, parseObject } from '../api/json.ts';
import { type AccessRule, accessRules } from './policy.ts';

/** What a stamp says, and how that is written: the payload of the signed part and the content of the sealed one. Pure. */

/** What identifies the user beyond the name; it may hold private claims, and so it is sealed for the controller. */
export interface StampIdentity {
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

export interface StampTarget {
  readonly namespace: string;
  /** Exactly one of `name` and `generateName` is there: the final name is not known when a generated one is stamped. */
  readonly name?: string;
  readonly generateName?: string;
}

/** The part that everyone who may read the DataVolume may read. */
export interface PublicClaims {
  /** The uid is there when the source existed at the time; another object under the same name is then another source. */
  readonly source: CloneSource & { readonly uid?: string };
  /** The DataSource that led to the source, when the DataVolume names one instead of a source. */
  readonly via?: Required<SourceRef>;
  readonly target: StampTarget;
  /** User name. */
  readonly user: string;
  /** The rule by which the user was allowed to clone. For the audit: the controller asks again, by the rules of its own day. */
  readonly rule: AccessRule;
  /** uid of the AdmissionReview request that the stamp answered. */
  readonly requestUid: string;
  /** Seconds since the Unix epoch. */
  readonly issuedAt: number;
  /** `digestOf` the decision's annotations. Absent when the decision was put off: the controller writes them then. */
  readonly decisionDigest?: string;
}

export interface StampClaims extends PublicClaims {
  readonly identity: StampIdentity;
}

/** `StampTooLarge` comes from making a stamp only, the other two from checking one. */
export type StampErrorCode = 'StampMissing' | 'StampInvalid' | 'StampTooLarge';

export class StampError extends Error {
  override readonly name = 'StampError';
  readonly code: StampErrorCode;

  constructor(code: StampErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export function invalid(why: string, cause?: unknown): StampError {
  return new StampError('StampInvalid', `the authorization stamp is not valid: ${why}`, cause);
}

const kinds = { pvc: 'PersistentVolumeClaim', snapshot: 'VolumeSnapshot' } as const;

/**
 * The payload: `jti` request uid, `iat` time, `sub` user name, `by` rule, `src` source, `via` DataSource and `dst` target with `k` kind, `ns`
 * namespace, `n` name, `g` generateName and `uid`; `dec` is the decision's digest, `idn` the sealed identity. JWT's registered names
 * where there is one, else short ones: every byte is stored with every DataVolume.
 */
export function encodeClaims(claims: PublicClaims, sealed: string): string {
  const { source, target } = claims;
  return JSON.stringify({
    jti: claims.requestUid,
    iat: claims.issuedAt,
    sub: claims.user,
    by: claims.rule,
    src: {
      k: source.kind === kinds.pvc ? 'pvc' : 'snapshot',
      ns: source.namespace,
      n: source.name,
      uid: source.uid,
    },
    via: claims.via === undefined ? undefined : { ns: claims.via.namespace, n: claims.via.name },
    dst: { ns: target.namespace, n: target.name, g: target.generateName },
    dec: claims.decisionDigest,
    idn: sealed,
  });
}

/** The inverse. @throws StampError `StampInvalid` naming the first field that is not as {@link encodeClaims} writes it. */
export function decodeClaims(payload: string): { readonly claims: PublicClaims; readonly sealed: string } {
  const body = parse(payload, 'its payload');
  const source = object(body, 'src');
  const target = object(body, 'dst');
  return {
    claims: {
      source: {
        kind: kindOf(source['k']),
        namespace: text(source, 'ns', 'src.ns'),
        name: text(source, 'n', 'src.n'),
        ...optional('uid', source['uid'], 'src.uid'),
      },
      ...(body['via'] === undefined ? {} : { via: dataSourceOf(object(body, 'via')) }),
      target: { namespace: text(target, 'ns', 'dst.ns'), ...targetName(target) },
      user: text(body, 'sub'),
      rule: ruleOf(body['by']),
      requestUid: text(body, 'jti'),
      issuedAt: seconds(body['iat']),
      ...(body['dec'] === undefined ? {} : { decisionDigest: text(body, 'dec') }),
    },
    sealed: text(body, 'idn'),
  };
}

/** The sealed content: `uid`, `g` groups, `x` extra. */
export function encodeIdentity(identity: StampIdentity): string {
  return JSON.stringify({ uid: identity.uid, g: identity.groups, x: identity.extra });
}

/** The inverse. @throws StampError `StampInvalid`. */
export function decodeIdentity(content: string): StampIdentity {
  const body = parse(content, 'its identity');
  const extra = Object.entries(object(body, 'x')).map(([key, values]) => [key, texts(values, 'an extra')] as const);
  return { ...optional('uid', body['uid'], 'uid'), groups: texts(body['g'], 'g'), extra: Object.fromEntries(extra) };
}

// The engine's own error for malformed JSON would quote the content, which may be an identity.
function parse(content: string, what: string): JsonObject {
  const value = parseObject(content);
  if (value === undefined) throw invalid(`${what} is not a JSON object`);
  return value;
}

function object(from: JsonObject, key: string): JsonObject {
  const value = from[key];
  if (!isObject(value)) throw invalid(`${key} is not an object`);
  return value;
}

function text(from: JsonObject, key: string, called = key): string {
  const value = from[key];
  if (typeof value !== 'string' || value === '') throw invalid(`${called} is not a text`);
  return value;
}

function optional(key: 'uid', value: unknown, called: string): { readonly uid?: string } {
  if (value === undefined) return {};
  if (typeof value !== 'string') throw invalid(`${called} is not a text`);
  return { [key]: value };
}

function texts(value: unknown, called: string): readonly string[] {
  if (!Array.isArray(value)) throw invalid(`${called} is not a list of texts`);
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw invalid(`${called} is not a list of texts`);
    return item;
  });
}

function targetName(target: JsonObject): Pick<StampTarget, 'name' | 'generateName'> {
  const named = target['n'] !== undefined;
  if (named === (target['g'] !== undefined)) throw invalid('dst needs one of n and g');
  return named ? { name: text(target, 'n', 'dst.n') } : { generateName: text(target, 'g', 'dst.g') };
}

function dataSourceOf(via: JsonObject): Required<SourceRef> {
  return { namespace: text(via, 'ns', 'via.ns'), name: text(via, 'n', 'via.n') };
}

function kindOf(value: unknown): CloneSource['kind'] {
  if (value !== 'pvc' && value !== 'snapshot') throw invalid('src.k is neither pvc nor snapshot');
  return kinds[value];
}

function ruleOf(value: unknown): AccessRule {
  const rule = accessRules.find((known) => known === value);
  if (rule === undefined) throw invalid('by names no rule');
  return rule;
}

function seconds(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0)
    throw invalid('iat is not a whole number of seconds');
  return value;
}
