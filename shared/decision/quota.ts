import { groups } from '../api/names.ts';
import type { LimitRange, ResourceQuota } from '../api/objects.ts';
import { ceilDivide, formatQuantity, parseQuantity } from '../api/quantity.ts';
import type { Footprint } from './footprint.ts';

/** A quota or limit that a clone would run into. */
export interface QuotaFinding {
  readonly namespace: string;
  /** `ResourceQuota/name` or `LimitRange/name`. */
  readonly by: string;
  /** The resource as the quota names it. */
  readonly resource: string;
  /** `near`: it still fits, but with it nine tenths are used. */
  readonly severity: 'exceeded' | 'near';
  /** With figures, for those who may read the quotas of the namespace. */
  readonly message: string;
  /** What is needed and that there is no room for it: no figure of the quota, and not its name. */
  readonly brief: string;
}

/**
 * Holds what a clone would make against the quotas and limits of its namespaces, before anything is made. Quotas with a scope are passed
 * over: scopes select pods, and what a clone mostly costs is storage. A quota whose status is not there yet limits nothing so far.
 */
export function quotaFindings(
  planned: readonly Footprint[],
  quotas: readonly ResourceQuota[],
  limits: readonly LimitRange[],
): readonly QuotaFinding[] {
  return planned.flatMap((footprint) => [
    ...quotas.filter(inNamespace(footprint)).flatMap((quota) => exceeded(footprint, quota)),
    ...limits.filter(inNamespace(footprint)).flatMap((limit) => outside(footprint, limit)),
  ]);
}

function inNamespace({ namespace }: Footprint): (object: ResourceQuota | LimitRange) => boolean {
  return ({ metadata }) => metadata.namespace === namespace;
}

function exceeded(footprint: Footprint, quota: ResourceQuota): readonly QuotaFinding[] {
  if ((quota.spec?.scopes?.length ?? 0) > 0 || quota.spec?.scopeSelector !== undefined) return [];
  const { hard = {}, used = {} } = quota.status ?? {};
  const { namespace } = footprint;
  const by = `ResourceQuota/${quota.metadata.name ?? ''}`;
  return [...needsOf(footprint)].flatMap(([resource, need]): QuotaFinding[] => {
    const { [resource]: text } = hard;
    if (text === undefined || need === 0n) return [];
    const taken = parseQuantity(used[resource] ?? '0');
    const limit = parseQuantity(text);
    const severity = taken + need > limit ? 'exceeded' : (taken + need) * 10n > limit * 9n ? 'near' : undefined;
    if (severity === undefined) return [];
    const needs = `needs ${show(resource, need)} ${resource} in ${namespace}`;
    const message = `${needs}, ${show(resource, taken)} of ${text} used (${by})`;
    return [{ namespace, by, resource, severity, message, brief: `${needs}, which is more than is left there` }];
  });
}

/** Every way in which a quota may count what is planned (Kubernetes' resource names for storage and object count quotas). */
function needsOf({ claims, snapshots, pods }: Footprint): ReadonlyMap<string, bigint> {
  const needs = new Map<string, bigint>();
  const add = (resource: string, amount: bigint): void => {
    needs.set(resource, (needs.get(resource) ?? 0n) + amount);
  };
  for (const { size = 0n, storageClassName } of claims) {
    const ofClass = storageClassName === undefined ? [] : [`${storageClassName}.storageclass.${groups.storage}/`];
    for (const prefix of ['', ...ofClass]) {
      add(`${prefix}requests.storage`, size);
      add(`${prefix}persistentvolumeclaims`, 1n);
    }
    add('count/persistentvolumeclaims', 1n);
  }
  add(`count/volumesnapshots.${groups.snapshot}`, BigInt(snapshots));
  add('pods', BigInt(pods));
  add('count/pods', BigInt(pods));
  return needs;
}

function outside({ namespace, claims }: Footprint, limit: LimitRange): readonly QuotaFinding[] {
  const by = `LimitRange/${limit.metadata.name ?? ''}`;
  const items = (limit.spec?.limits ?? []).filter(({ type }) => type === 'PersistentVolumeClaim');
  const finding = (size: bigint, side: string, bound: string): QuotaFinding => {
    const needs = `needs a claim of ${showSize(size)} in ${namespace}, ${side} the limit`;
    const about = { namespace, by, resource: 'storage', severity: 'exceeded' } as const;
    return { ...about, message: `${needs} of ${bound} (${by})`, brief: `${needs} there` };
  };
  return claims.flatMap(({ size }) =>
    items.flatMap(({ min, max }) => {
      if (size === undefined) return [];
      if (max?.['storage'] !== undefined && size > parseQuantity(max['storage']))
        return [finding(size, 'above', max['storage'])];
      if (min?.['storage'] !== undefined && size < parseQuantity(min['storage']))
        return [finding(size, 'below', min['storage'])];
      return [];
    }),
  );
}

function show(resource: string, amount: bigint): string {
  return resource.endsWith('requests.storage') ? showSize(amount) : amount.toString();
}

const mebibyte = 1n << 20n;

/** For people: a size with room for its filesystem is an odd number of bytes, of which nobody wants to read more than the mebibytes. */
function showSize(bytes: bigint): string {
  return formatQuantity(bytes < mebibyte ? bytes : ceilDivide(bytes, mebibyte) * mebibyte);
}
