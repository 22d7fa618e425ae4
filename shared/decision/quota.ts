import { groups } from '../api/names.ts';
import type { LimitRange, ResourceQuota } from '../api/objects.ts';
import { formatQuantity, parseQuantity } from '../api/quantity.ts';
import type { Footprint } from './footprint.ts';

/** A quota or limit that a clone would run into. */
export interface QuotaFinding {
  readonly namespace: string;
  /** `ResourceQuota/name` or `LimitRange/name`. */
  readonly by: string;
  /** The resource as the quota names it. */
  readonly resource: string;
  readonly message: string;
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
  const needs = needsOf(footprint);
  return Object.entries(hard).flatMap(([resource, text]) => {
    const need = needs.get(resource) ?? 0n;
    const taken = parseQuantity(used[resource] ?? '0');
    const limit = parseQuantity(text);
    if (need === 0n || taken + need <= limit) return [];
    const by = `ResourceQuota/${quota.metadata.name ?? ''}`;
    const [has, needed] = [taken, need].map((amount) => show(resource, amount));
    const message = `needs ${needed} ${resource} in ${footprint.namespace}, but ${has} of ${text} are used (${by})`;
    return [{ namespace: footprint.namespace, by, resource, message }];
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
  const finding = (message: string): QuotaFinding => ({
    namespace,
    by,
    resource: 'storage',
    message: `${message} (${by})`,
  });
  return claims.flatMap(({ size }) =>
    items.flatMap(({ min, max }) => {
      if (size === undefined) return [];
      if (max?.['storage'] !== undefined && size > parseQuantity(max['storage']))
        return [finding(`a claim of ${formatQuantity(size)} in ${namespace} is above the limit of ${max['storage']}`)];
      if (min?.['storage'] !== undefined && size < parseQuantity(min['storage']))
        return [finding(`a claim of ${formatQuantity(size)} in ${namespace} is below the least, ${min['storage']}`)];
      return [];
    }),
  );
}

function show(resource: string, amount: bigint): string {
  return resource.endsWith('requests.storage') ? formatQuantity(amount) : amount.toString();
}
