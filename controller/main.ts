import { randomBytes, randomUUID } from 'node:crypto';
import { reporters } from '../shared/api/names.ts';
import { policyFactsOf } from '../shared/decision/facts.ts';
import { type Client, createClient, type Watcher } from '../shared/kube/client.ts';
import { type Connection, connect } from '../shared/kube/connection.ts';
import { servedResources } from '../shared/kube/discovery.ts';
import { createRecorder, type Recorder } from '../shared/kube/events.ts';
import { createElector } from '../shared/kube/lease.ts';
import { createServed } from '../shared/kube/served.ts';
import { systemClock } from '../shared/process/clock.ts';
import { createHealth, opsServer } from '../shared/process/health.ts';
import { createLogger } from '../shared/process/log.ts';
import { createMetrics, type Metrics } from '../shared/process/metrics.ts';
import { runProgram } from '../shared/process/program.ts';
import type { Component, RunOptions } from '../shared/process/run.ts';
import type { Settings } from '../shared/process/settings.ts';
import { accessPolicyOf } from '../shared/trust/access.ts';
import { createIdentityKeeper, untilOpen } from '../shared/trust/keeper.ts';
import { openVerifyingKeys, type VerifyingKeys } from '../shared/trust/keyring.ts';
import { stampReader } from '../shared/trust/stamp.ts';
import { createKey } from './copy/key.ts';
import { createPlaces } from './copy/places.ts';
import { copyPolicyOf } from './copy/policy.ts';
import { createExpectations } from './expectations.ts';
import { createLeading } from './lead.ts';
import { createReconcile } from './reconcile.ts';
import { createRivalGuard } from './rival.ts';
import { createSharing } from './sharing.ts';
import { lookup } from './stores.ts';
import { runSweeper } from './sweep.ts';
import { createTurns } from './turns.ts';
import { createWatches } from './watches.ts';

/** The controller: carries out the clones that admission has authorized. Everything is put together here, and nothing else is done. */

const clock = systemClock;
const random = Math.random;
/** Milliseconds to finish what is in hand, release the lease and write the last events; a pod is given 30 s by default. */
const grace = 20_000;
const lastEvents = 5000;

async function build(settings: Settings<'controller'>): Promise<Omit<RunOptions, 'host'>> {
  const log = createLogger({ level: settings.logLevel, name: 'controller' });
  const metrics = createMetrics();
  const fromFiles = settings.stampKeys === 'files' ? await openVerifyingKeys({ ...settings, clock, log }) : undefined;
  const connection = await connect(settings.kubeconfig === '' ? {} : { kubeconfig: settings.kubeconfig });
  const client = createClient(connection, {
    clock,
    random,
    observe: ({ code, method }) => metrics.apiRequests.inc({ code: String(code), method }),
  });
  const texts = createIdentityKeeper({ client, namespace: settings.namespace, log });
  const keys =
    fromFiles ??
    (await untilOpen(async () => await openVerifyingKeys({ ...settings, clock, log, texts }), { clock, log }));
  const components = assemble(settings, { connection, client, keys, metrics, log });
  return { log, clock, components, grace };
}

interface Parts {
  readonly connection: Connection;
  readonly client: Client & Watcher;
  readonly keys: VerifyingKeys;
  readonly metrics: Metrics;
  readonly log: RunOptions['log'];
}

function assemble(settings: Settings<'controller'>, parts: Parts): readonly Component[] {
  const { connection, client, keys, metrics, log } = parts;
  const { namespace, podName, workers } = settings;
  const health = createHealth();
  const recorder = createRecorder({
    client,
    clock,
    log,
    metrics,
    random,
    reportingController: reporters.controller,
    reportingInstance: podName,
    // A namespace that was opened to us may be closed again.
    ...(settings.namespaces.length === 0 ? {} : { fallbackNamespace: namespace }),
  });
  const served = createServed(settings.namespaces);
  const watches = createWatches({ client, clock, random, log, metrics, health, served });
  const { stores } = watches;
  const expectations = createExpectations((resource, key) => lookup(stores, resource, key), clock);
  const policy = { ...policyFactsOf(settings), helperImage: settings.helperImage, copy: copyPolicyOf(settings) };
  const access = accessPolicyOf(settings);
  const { clonesPerSource: perSource, clonesPerStorageClass: perStorageClass, copiesPerStorageClass } = settings;
  const turns = createTurns(stores, { perSource, perStorageClass, copiesPerStorageClass });
  const self = { namespace, podName };
  const sweeping = { client, stores, served, self, mode: settings.sweep, recorder, clock, log, metrics };
  const sweeper = async (signal: AbortSignal): Promise<void> => runSweeper(sweeping, signal);
  const reconcile = createReconcile({
    client,
    stores,
    readStamp: stampReader(keys.verifier),
    recorder,
    expectations,
    policy,
    access,
    executor: settings.executor,
    limits: settings,
    newKey: () => createKey(randomBytes),
    copyProgressInterval: settings.copyProgressInterval,
    turns,
    sharing: createSharing(stores, clock),
    places: createPlaces(stores, settings.copiesPerNode, clock),
    clock,
    log,
    metrics,
  });
  const { leaseName: name, leaseDuration, renewDeadline, retryPeriod } = settings;
  const identity = `${podName}_${randomUUID()}`;
  const lease = { namespace, name, identity, leaseDuration, renewDeadline, retryPeriod };
  const elector = createElector({ client, clock, random, log, metrics, ...lease });
  return [
    opsServer({ host: settings.opsHost, port: settings.opsPort, health, metrics }),
    connected(connection),
    recording(recorder),
    watches,
    keys.lookout,
    ...(settings.executor === 'clonegate' ? [rivalGuard(connection, log)] : []),
    createLeading({ elector, stores, served, reconcile, turns, sweeper, workers, clock, random, log, metrics }),
  ];
}

/** Closed after everything that uses it. */
function connected(connection: Connection): Component {
  return { name: 'connection', start: async () => undefined, stop: async () => connection.close() };
}

function rivalGuard(connection: Connection, log: RunOptions['log']): Component {
  const sender = { connection, clock, random };
  const served = async (signal: AbortSignal): Promise<readonly string[]> =>
    await servedResources(sender, 'cdi.kubevirt.io/v1beta1', { signal });
  return createRivalGuard({ served, clock, log });
}

function recording(recorder: Recorder): Component {
  return { name: 'events', start: async () => undefined, stop: async () => recorder.close(lastEvents) };
}

await runProgram('controller', build);
