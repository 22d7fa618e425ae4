import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import type { StorageClass } from '../shared/api/objects.ts';
import { type QuotaFinding, quotaFindings } from '../shared/decision/quota.ts';
import type { DecisionRecord } from '../shared/decision/record.ts';
import type { Lookup } from '../shared/decision/target.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * What somebody who may clone should know now rather than find out later: that the clone will be slow, or has to wait, or does not fit.
 * Only for people whose right is established, since it tells of what is in the source's namespace.
 */

export interface Clone {
  readonly volume: DataVolume;
  readonly source: CloneSource;
  readonly record: DecisionRecord;
}

export interface Advice {
  /** One line each; the response cuts them to what the API server passes on. */
  readonly warnings: readonly string[];
  /** Set when it is not to be let in: it does not fit, and the administrator wants that refused. */
  readonly refusal?: string;
  /** For administrators, who may see every figure. */
  readonly quota: readonly string[];
}

export type Advise = (clone: Clone) => Advice;

export interface AdviceParts {
  /** As the cluster's storage is known at the moment of the call. */
  readonly storage: () => { readonly storageClasses: Lookup<StorageClass> };
  readonly surroundings: Pick<Surroundings, 'writersOf' | 'quotasOf' | 'limitsOf'>;
  /** Whether a clone that does not fit is refused. */
  readonly refuseOverQuota: boolean;
  readonly log: Pick<Logger, 'warn'>;
}

export const noAdvice: Advice = { warnings: [], quota: [] };

/** More would bury the rest: kubectl prints each on a line of its own. */
const mostFindings = 4;

/** Advice never changes an answer by failing. */
export function createAdvise(parts: AdviceParts): Advise {
  return (clone) => {
    try {
      return adviseOn(parts, clone);
    } catch (error) {
      parts.log.warn({ err: error }, 'Advice could not be given');
      return noAdvice;
    }
  };
}

function adviseOn(parts: AdviceParts, clone: Clone): Advice {
  const findings = findingsOf(parts, clone);
  const shown = findings.filter((finding) => finding.severity === 'exceeded' || isOwn(clone, finding));
  const told = [...new Set(shown.map((finding) => tell(clone, finding)))];
  const exceeded = findings.filter(({ severity }) => severity === 'exceeded');
  return {
    warnings: [...waits(parts, clone), ...told.slice(0, mostFindings)],
    quota: findings.map(({ severity, message }) => `${severity}: ${message}`),
    ...(parts.refuseOverQuota && exceeded.length > 0 ? { refusal: refuse(clone, exceeded) } : {}),
  };
}

function waits(parts: AdviceParts, clone: Clone): readonly string[] {
  return [recorded(clone.record), inUse(parts, clone), consumer(parts, clone)].filter((line) => line !== undefined);
}

/** What the decision itself gives cause to say. */
function recorded({ outcome, strategy, reason, message, candidates = [] }: DecisionRecord): string | undefined {
  if (outcome === 'deferred') return `clone waits (${reason}): ${message}`;
  const copy = candidates.find((candidate) => candidate.strategy === 'copy');
  if (strategy !== 'copy' || copy === undefined || copy.reason === 'Requested') return undefined;
  // The first candidate is the one that the storage prefers; when that is not the copy itself, it is what speaks against it that counts.
  const [first = copy] = candidates;
  return `slow copy (${first.strategy}: ${first.reason}): ${first.message}`;
}

/** Whether the clone waits for that or takes the volume as it is, is the user's choice and the controller's matter. */
function inUse({ surroundings }: AdviceParts, { volume, source }: Clone): string | undefined {
  if (source.kind !== 'PersistentVolumeClaim') return undefined;
  const writers = surroundings.writersOf(source.namespace, source.name).toSorted();
  if (writers.length === 0) return undefined;
  const who =
    writers.length === 1
      ? `pod ${writers.join()} writes to the source`
      : `${writers.length} pods write to the source: ${writers.join(', ')}`;
  const what = volume.metadata.annotations?.[annotations.sourceInUse] === undefined ? 'clone waits' : 'source in use';
  return `${what} (CloneSourceInUse): ${who}`;
}

function consumer({ storage }: AdviceParts, { volume, record }: Clone): string | undefined {
  if (record.outcome !== 'chosen' || volume.metadata.annotations?.[annotations.bindImmediately] !== undefined)
    return undefined;
  const name = record.makes?.[0]?.claims[0]?.storageClassName;
  const storageClass = name === undefined ? undefined : storage().storageClasses.get(name);
  if (storageClass?.volumeBindingMode !== 'WaitForFirstConsumer') return undefined;
  return `clone waits (WaitForFirstConsumer): StorageClass ${name} makes a volume when a pod uses it`;
}

function findingsOf({ surroundings }: AdviceParts, { record }: Clone): readonly QuotaFinding[] {
  const { makes = [] } = record;
  return makes.flatMap((footprint) =>
    quotaFindings([footprint], surroundings.quotasOf(footprint.namespace), surroundings.limitsOf(footprint.namespace)),
  );
}

/**
 * Whether the finding is about the DataVolume's own namespace. There the API server itself tells its figures to everyone who hits a
 * quota. The source's namespace may be another tenant's: the right to clone from it is the right to know that a clone does not fit
 * there (its failure would say so too), but not how much of what is used.
 */
function isOwn({ volume }: Clone, { namespace }: QuotaFinding): boolean {
  return namespace === volume.metadata.namespace;
}

function tell(clone: Clone, finding: QuotaFinding): string {
  const { severity, message, brief } = finding;
  const words = isOwn(clone, finding) ? message : brief;
  return severity === 'exceeded' ? `quota exceeded (QuotaExceeded): ${words}` : `quota near (QuotaNear): ${words}`;
}

function refuse(clone: Clone, exceeded: readonly QuotaFinding[]): string {
  const reasons = exceeded.map((finding) => (isOwn(clone, finding) ? finding.message : finding.brief));
  return `the clone does not fit: ${[...new Set(reasons)].join('; ')}. Free what is not needed, or ask for a larger quota`;
}
