import { createHash } from 'node:crypto';
import { type CloneSource, type DataVolume, namedDataSource } from '../api/datavolume.ts';
import { annotations } from '../api/names.ts';
import { keyOf, type ObjectMeta } from '../api/objects.ts';
import type { PublicClaims } from './claims.ts';

/** Whether a stamp, known to be genuine, belongs to the object it was found on. Pure. */

export interface StampMismatch {
  readonly reason: 'StampMismatch';
  /** Says which part differs. */
  readonly message: string;
}

/** Seconds that the API server's clock (creationTimestamp) and the webhook's (iat) may be apart, transport included. */
const window = 60;

// names.SimpleNameGenerator of k8s.io/apiserver: the prefix is cut so that prefix and random suffix make at most 63 characters.
const suffixLength = 5;
const longestPrefix = 63 - suffixLength;

/**
 * Compares a stamp with the DataVolume that carries it, the source that the DataVolume is about to be cloned from and that source's uid,
 * where it is known. `undefined` when all agree.
 */
export function matchStamp(
  claims: Pick<PublicClaims, 'source' | 'via' | 'target' | 'issuedAt' | 'decisionDigest'>,
  volume: DataVolume,
  source: CloneSource,
  sourceUid?: string,
): StampMismatch | undefined {
  const differs =
    targetDiffers(claims.target, volume.metadata) ??
    sourceDiffers(claims.source, source, sourceUid) ??
    viaDiffers(claims.via, volume) ??
    decisionDiffers(claims.decisionDigest, volume) ??
    timeDiffers(claims.issuedAt, volume.metadata.creationTimestamp);
  return differs === undefined ? undefined : mismatch(differs);
}

/** Compares the user that a stamp was made for with the one who sends the object now. */
export function matchUser(claims: Pick<PublicClaims, 'user'>, username: string): StampMismatch | undefined {
  return claims.user === username ? undefined : mismatch(`user ${quote(claims.user)}, not ${quote(username)}`);
}

function mismatch(differs: string): StampMismatch {
  return { reason: 'StampMismatch', message: `the authorization stamp was made for ${differs}` };
}

function targetDiffers(target: PublicClaims['target'], metadata: ObjectMeta): string | undefined {
  const { namespace = '', name = '', generateName = '' } = metadata;
  if (target.namespace !== namespace)
    return `a DataVolume in namespace ${quote(target.namespace)}, not ${quote(namespace)}`;
  if (target.name !== undefined)
    return target.name === name ? undefined : `a DataVolume named ${quote(target.name)}, not ${quote(name)}`;
  return isGenerated(name, generateName) && target.generateName === generateName
    ? undefined
    : `a DataVolume with generateName ${quote(target.generateName ?? '')}, not ${quote(name)} with generateName ${quote(generateName)}`;
}

/** Whether the API server made `name` of the prefix `generateName`. */
function isGenerated(name: string, generateName: string): boolean {
  const prefix = generateName.slice(0, longestPrefix);
  return prefix !== '' && name.startsWith(prefix) && name.length === prefix.length + suffixLength;
}

function sourceDiffers(
  stamped: PublicClaims['source'],
  source: CloneSource,
  uid: string | undefined,
): string | undefined {
  const same = stamped.kind === source.kind && stamped.namespace === source.namespace && stamped.name === source.name;
  if (!same) return `the source ${describe(stamped)}, not ${describe(source)}`;
  if (stamped.uid === undefined || uid === undefined || stamped.uid === uid) return undefined;
  return `the source ${describe(source)} with uid ${quote(stamped.uid)}, not ${quote(uid)}: it was deleted and made again`;
}

/** What the DataSource names by now does not matter, but it has to be the DataSource that was followed. */
function viaDiffers(via: PublicClaims['via'], volume: DataVolume): string | undefined {
  const ref = namedDataSource(volume);
  const print = (dataSource: typeof ref): string =>
    dataSource === undefined ? 'no DataSource' : `DataSource ${quote(keyOf(dataSource))}`;
  return print(via) === print(ref) ? undefined : `a clone that names ${print(via)}, not ${print(ref)}`;
}

function decisionDiffers(digest: string | undefined, { metadata }: DataVolume): string | undefined {
  return digest === undefined || digest === digestOf(metadata.annotations)
    ? undefined
    : `another decision than the one in ${annotations.cloneType} and ${annotations.decision}`;
}

/** SHA-256 (base64url) over the annotations that tell how to clone: who can write annotations must not be able to choose. */
export function digestOf(decided: Readonly<Record<string, string | undefined>> = {}): string {
  const covered = [decided[annotations.cloneType] ?? null, decided[annotations.decision] ?? null];
  return createHash('sha256').update(JSON.stringify(covered)).digest('base64url');
}

function timeDiffers(issuedAt: number, creationTimestamp: string | undefined): string | undefined {
  if (creationTimestamp === undefined) return undefined;
  const apart = Math.abs(Date.parse(creationTimestamp) / 1000 - issuedAt);
  // Written so that an unreadable time (NaN) does not pass.
  return apart <= window
    ? undefined
    : `a DataVolume created within ${window} seconds of ${printTime(issuedAt)}, not at ${quote(creationTimestamp)}`;
}

function printTime(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? `${seconds}` : time.toISOString();
}

function describe(source: CloneSource): string {
  return `${source.kind} ${quote(keyOf(source))}`;
}

// Hostile names are quoted, so that they cannot pretend to be part of the sentence or of another line.
function quote(text: string): string {
  return JSON.stringify(text);
}
