import { createPlaces } from '../../../controller/copy/places.ts';
import { createExpectations } from '../../../controller/expectations.ts';
import { createReconcile, type Reconcile } from '../../../controller/reconcile.ts';
import { createSharing } from '../../../controller/sharing.ts';
import { lookup, type Stores } from '../../../controller/stores.ts';
import { createTurns } from '../../../controller/turns.ts';
import type { KubeObject } from '../../../shared/api/objects.ts';
import type { Clock } from '../../../shared/process/clock.ts';
import { createLogger } from '../../../shared/process/log.ts';
import type { Metrics } from '../../../shared/process/metrics.ts';
import { strictPolicy } from '../../../shared/trust/access.ts';
import type { StampReader } from '../../../shared/trust/stamp.ts';
import { copyPolicy, perNode } from '../build/copies.ts';
import type { MemoryApi } from '../memory-client.ts';
import { placeOf, summaryOf } from './words.ts';

export interface ControllerParts {
  readonly api: MemoryApi;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly readStamp: StampReader;
  /** Carries a write out, or does not. */
  readonly written: <T>(what: string, call: () => Promise<T>) => Promise<T>;
}

/** The real controller's passes, by a client that tells of every write. It knows only what the stores show. */
export function createController({ api, stores, clock, metrics, readStamp, written }: ControllerParts): Reconcile {
  const client = api.client();
  return createReconcile({
    client: {
      get: async (...args) => client.get(...args),
      create: async (...args) =>
        written(`create ${args[0].plural} ${placeOf(args[1].metadata)}`, async () => client.create(...args)),
      mergePatch: async (...args) =>
        written(`patch ${args[0].plural} ${summaryOf(args[2])}`, async () => client.mergePatch(...args)),
      remove: async (...args) =>
        written(`delete ${args[0].plural} ${placeOf(args[1])}`, async () => client.remove(...args)),
      podLog: async () => '',
      // oxlint-disable-next-line require-yield
      pages: async function* none() {},
      review: async <T extends KubeObject>(_kind: unknown, object: T): Promise<T> => ({
        ...object,
        status: { allowed: true },
      }),
    },
    stores,
    readStamp,
    recorder: { emit: () => undefined },
    expectations: createExpectations((resource, name) => lookup(stores, resource, name), clock),
    policy: { sameStorageClass: false, helperImage: 'pause', copy: copyPolicy },
    access: strictPolicy,
    executor: 'clonegate',
    limits: { stallAfter: 0, stallAfterConsumer: 0, fallbackAfter: 0 },
    turns: createTurns(stores, { perSource: 0, perStorageClass: 0, copiesPerStorageClass: 0 }),
    sharing: createSharing(stores, clock),
    places: createPlaces(stores, perNode, clock),
    newKey: () => 'clonegate:a key\n',
    copyProgressInterval: 5000,
    clock,
    log: createLogger({ level: 'silent', name: 'test' }),
    metrics,
  });
}
