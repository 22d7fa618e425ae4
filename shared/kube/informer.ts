import type { KubeObject, Stored } from '../shared/api/objects.ts';
import type { Client, Watcher } from '../shared/kube/client.ts';
import { createReflector, type Reflector } from '../shared/kube/reflector.ts';
import type { Resource } from '../shared/kube/resource.ts';
import { createStore, type StoreOptions, type StoreReader } from '../shared/kube/store.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Health } from '../shared/process/health.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';

/** Keeps all objects of a kind in memory. */

export interface KeepOptions {
  readonly client: Pick<Client, 'pages'> & Watcher;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'watchRestarts' | 'storeObjects'>;
  readonly health: Health;
}

export interface Kept<T extends KubeObject> {
  readonly store: StoreReader<T>;
  readonly reflector: Reflector;
}

interface Which<T extends KubeObject> extends StoreOptions<T> {
  readonly fieldSelector?: string;
  /** Without these objects nothing can be answered: not ready before they are listed. Default true. */
  readonly needed?: boolean;
}

export function keep<T extends KubeObject>(
  { client, clock, random, log, metrics, health }: KeepOptions,
  kind: Resource<T>,
  { fieldSelector, needed = true, ...options }: Which<T> = {},
): Kept<T> {
  const resource = kind.plural;
  const store = createStore<T>(options);
  const reflector = createReflector({
    client,
    kind,
    store,
    clock,
    random,
    log,
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
    observe: (event) => {
      if (event.type === 'restart') metrics.watchRestarts.inc({ resource, cause: event.cause });
      else metrics.storeObjects.set({ resource }, event.objects);
    },
  });
  if (needed) health.check(`watch-${resource}`, () => store.synced || `${resource} are not listed yet`);
  return { store, reflector };
}

/** All that a store needs of an object's metadata. */
export function identityOf({ name, namespace, uid, resourceVersion }: Stored<KubeObject>['metadata']) {
  return { name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) };
}
