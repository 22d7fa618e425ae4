import { keyOf, type LimitRange, type ResourceQuota, type Stored } from '../shared/api/objects.ts';
import { type PodUse, useOf, writtenBy } from '../shared/api/pods.ts';
import { type Informed, type InformOptions, informOf, reflecting } from '../shared/kube/informer.ts';
import { limitRanges, pods, resourceQuotas } from '../shared/kube/resource.ts';
import { identityOf } from '../shared/kube/store.ts';
import type { Component } from '../shared/process/run.ts';

/**
 * What stands around a clone and is told to whoever makes it: pods that write to the source, quotas and limits of both namespaces. Help
 * for people, so nothing waits for it (unless quotas are to refuse), and what is not known yet is not told.
 */

export interface SurroundingsOptions extends InformOptions {
  readonly watchPods: boolean;
  readonly quota: 'warn' | 'deny' | 'off';
}

export interface Surroundings extends Component {
  /** Names of the pods that may write to a claim, in its namespace. */
  writersOf(namespace: string, claim: string): readonly string[];
  quotasOf(namespace: string): readonly ResourceQuota[];
  limitsOf(namespace: string): readonly LimitRange[];
}

const index = 'index';

export function createSurroundings(options: SurroundingsOptions): Surroundings {
  const needed = options.quota === 'deny';
  const byNamespace = { [index]: ({ metadata }: ResourceQuota | LimitRange) => [metadata.namespace ?? ''] };
  const quotas =
    options.quota === 'off'
      ? undefined
      : informOf(options, resourceQuotas, leanQuota, { needed, indexes: byNamespace });
  const limits =
    options.quota === 'off' ? undefined : informOf(options, limitRanges, leanLimit, { needed, indexes: byNamespace });
  const writers = options.watchPods ? keepPods(options) : undefined;
  const bounds = [quotas, limits].flatMap((informed) => informed?.reflectors ?? []);
  const reflectors = [...bounds, ...(writers?.reflectors ?? [])];
  return {
    ...reflecting('surroundings', reflectors, needed ? bounds : []),
    writersOf: (namespace, claim) =>
      (writers?.store.by(index, keyOf({ namespace, name: claim })) ?? []).map(({ metadata }) => metadata.name),
    quotasOf: (namespace) => quotas?.store.by(index, namespace) ?? [],
    limitsOf: (namespace) => limits?.store.by(index, namespace) ?? [],
  };
}

/** Pods that are over write no more: the API server leaves them out, which on many clusters is most of them. */
function keepPods(options: InformOptions): Informed<PodUse> {
  return informOf(options, pods, useOf, {
    needed: false,
    fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
    indexes: { [index]: writtenBy },
  });
}

function leanQuota({ metadata, spec = {}, status }: Stored<ResourceQuota>): Stored<ResourceQuota> {
  const { scopes, scopeSelector } = spec;
  return {
    metadata: identityOf(metadata),
    spec: { ...(scopes === undefined ? {} : { scopes }), ...(scopeSelector === undefined ? {} : { scopeSelector }) },
    ...(status === undefined ? {} : { status }),
  };
}

function leanLimit({ metadata, spec }: Stored<LimitRange>): Stored<LimitRange> {
  const limits = spec?.limits?.filter(({ type }) => type === 'PersistentVolumeClaim') ?? [];
  return { metadata: identityOf(metadata), spec: { limits } };
}
