import { fastify } from 'fastify';
import type { ResourceQuota } from '../../shared/api/objects.ts';
import type { Client } from '../../shared/kube/client.ts';
import { createRecorder } from '../../shared/kube/events.ts';
import { claims, dataSources } from '../../shared/kube/resource.ts';
import { createServed } from '../../shared/kube/served.ts';
import { createLogger } from '../../shared/process/log.ts';
import { createMetrics } from '../../shared/process/metrics.ts';
import type { AccessPolicy } from '../../shared/trust/access.ts';
import type { Signer, Verifier } from '../../shared/trust/keys.ts';
import { createAsk } from '../../webhook/access.ts';
import { type AdviceParts, createAdvise } from '../../webhook/advice.ts';
import { createAudit } from '../../webhook/audit.ts';
import { createMutate, type MutateParts } from '../../webhook/mutate.ts';
import type { EventPolicy } from '../../webhook/notices.ts';
import { addRoutes } from '../../webhook/routes.ts';
import type { Handler } from '../../webhook/ruling.ts';
import { bodyLimit } from '../../webhook/server.ts';
import { createValidate, type ValidateParts } from '../../webhook/validate.ts';
import { lookup, profile, storageClass } from '../support/build/storage.ts';
import { FakeClock } from '../support/clock.ts';
import type { FuzzCluster } from './cluster.ts';
import { controllerUser, type Rules } from './rights.ts';

/** The webhook as it runs, without sockets: routes, handlers, questions, audit and events, over a cluster in memory. */

export type Parts = MutateParts & ValidateParts;

/** Parts that are broken on purpose, to see that the fuzzer finds out. Each gets what is really there. */
export interface Faults {
  readonly client?: (real: Client) => Client;
  readonly mutate?: (real: Handler, parts: Parts) => Handler;
  readonly validate?: (real: Handler, parts: Parts) => Handler;
}

export interface Answer {
  /** HTTP status. */
  readonly code: number;
  readonly body: string;
}

export interface Target {
  /** Milliseconds since the Unix epoch; stands still, so that a trial does not depend on those before it. */
  readonly now: number;
  post(path: Handler['webhook'], body: Buffer): Promise<Answer>;
  /** Lets the time of the events go on, so that some are written, put together, and forgotten. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

export interface Keys {
  readonly signer: Signer;
  readonly verifier: Verifier;
}

export interface TargetOptions {
  readonly keys: Keys;
  readonly rules: Rules;
  readonly faults: Faults;
}

export function createTarget(cluster: FuzzCluster, { keys, rules, faults }: TargetOptions): Target {
  const clock = new FakeClock();
  const eventClock = new FakeClock();
  const metrics = createMetrics();
  const log = createLogger({ level: 'info', name: 'webhook', destination: { write: () => undefined } });
  const client = faults.client?.(cluster.client()) ?? cluster.client();
  const recorder = createRecorder({
    client,
    clock: eventClock,
    log,
    metrics,
    reportingController: 'clonegate.io/webhook',
    reportingInstance: 'fuzzed',
    fallbackNamespace: 'clonegate-system',
  });
  const parts: Parts = {
    ...keys,
    client,
    clock,
    controllerUser,
    advise: createAdvise({ storage: () => storage, surroundings: surroundingsOf(cluster), refuseOverQuota: true, log }),
    ask: createAsk({ client, clock, metrics, policy: policies[rules] }),
    known: knownOf(cluster),
    served: everywhere,
    policy: { sameStorageClass: false },
    storage: () => storage,
  };
  const handlers = [createMutate(parts), createValidate(parts)].map(
    (real): Handler => faults[real.webhook]?.(real, parts) ?? real,
  );
  const server = fastify({ bodyLimit });
  addRoutes(server, {
    handlers,
    audit: createAudit({ log, metrics, recorder, events: everyEvent }),
    clock,
    log,
  });
  return {
    now: clock.now(),
    post: async (path, body) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await server.inject({ method: 'POST', url: `/${path}?timeout=10s`, headers, payload: body });
      return { code: answer.statusCode, body: answer.payload };
    },
    pass: async (ms) => await eventClock.advance(ms),
    close: async () => {
      await Promise.all([server.close(), recorder.close(0), eventClock.advance(1)]);
    },
  };
}

const policies: Readonly<Record<Rules, AccessPolicy>> = {
  strict: { sameNamespace: 'ask', podCreatorsMayClone: false, reviews: 'cluster' },
  looser: { sameNamespace: 'skip', podCreatorsMayClone: true, reviews: 'cluster' },
};

/** What the webhook keeps in memory is never behind here. */
function knownOf(cluster: FuzzCluster): Parts['known'] {
  return {
    dataSource: (ref) => cluster.peek(dataSources, ref),
    namespace: (name) => cluster.namespace(name),
    hasClaim: (ref) => cluster.peek(claims, ref) !== undefined,
  };
}

/** Pods write to one source, and one namespace of sources is nearly full: both are to be told to nobody without the right. */
function surroundingsOf(cluster: FuzzCluster): AdviceParts['surroundings'] {
  const isThere = (): boolean => cluster.barrenBut === undefined;
  const quota: ResourceQuota = {
    metadata: { namespace: 'vault', name: 'nearly-full' },
    status: { hard: { 'requests.storage': '100Gi' }, used: { 'requests.storage': '85Gi' } },
  };
  return {
    writersOf: (namespace, claim) => (isThere() && `${namespace}/${claim}` === 'vault/secret' ? ['a-pod'] : []),
    quotasOf: (namespace) => (isThere() && namespace === 'vault' ? [quota] : []),
    limitsOf: () => [],
  };
}

const everywhere = createServed([]);

const everyEvent: EventPolicy = {
  denied: true,
  allowed: true,
  shadow: true,
  inTargetNamespace: true,
  inSourceNamespace: true,
  auditNamespace: 'clonegate-system',
  served: everywhere,
};

const storage = {
  storageClasses: lookup(
    storageClass('fast', { allowVolumeExpansion: true }),
    storageClass('slow', { provisioner: 'slow.example.com' }),
    storageClass('shut', { annotations: { 'clonegate.io/allowed-strategies': 'none' } }),
  ),
  storageProfiles: lookup(profile('fast', { cloneStrategy: 'csi-clone' })),
  csiDrivers: lookup({ metadata: { name: 'csi.example.com' } }),
  volumeSnapshotClasses: lookup({ metadata: { name: 'fast-snapshots' }, driver: 'csi.example.com' }),
};
