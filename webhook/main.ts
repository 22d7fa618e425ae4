import { certificateComponents, initialServing } from '../certs/source.ts';
import manifest from '../package.json' with { type: 'json' };
import { reporters } from '../shared/api/names.ts';
import { policyFactsOf } from '../shared/decision/facts.ts';
import { type Client, createClient, type Watcher } from '../shared/kube/client.ts';
import { type Connection, connect } from '../shared/kube/connection.ts';
import { createRecorder, type Recorder } from '../shared/kube/events.ts';
import { createServed } from '../shared/kube/served.ts';
import { systemClock } from '../shared/process/clock.ts';
import { createHealth, type Health, opsServer } from '../shared/process/health.ts';
import { createLogger, type Logger } from '../shared/process/log.ts';
import { createMetrics, type Metrics } from '../shared/process/metrics.ts';
import { runProgram } from '../shared/process/program.ts';
import type { Component, RunOptions } from '../shared/process/run.ts';
import type { Settings } from '../shared/process/settings.ts';
import { accessPolicyOf } from '../shared/trust/access.ts';
import { createStampKeeper, untilOpen } from '../shared/trust/keeper.ts';
import { openSigningKeys, type SigningKeys } from '../shared/trust/keyring.ts';
import { createAsk } from './access.ts';
import { createAdvise } from './advice.ts';
import { createAudit } from './audit.ts';
import { createKnown } from './known.ts';
import { createMutate } from './mutate.ts';
import { eventPolicyOf } from './notices.ts';
import { type AdmissionServer, createServer } from './server.ts';
import { shadowed } from './shadow.ts';
import { createStorage } from './storage.ts';
import { createSurroundings } from './surroundings.ts';
import { createValidate } from './validate.ts';

/** The admission webhook. Everything is put together here, and nothing else is done. `node webhook/main.ts --help` tells the settings. */

const clock = systemClock;
const random = Math.random;
/** Milliseconds to answer the calls in hand and write the last events, after the drain; a pod is given 30 s by default for both. */
const grace = 20_000;
const lastEvents = 5000;

async function build(settings: Settings<'webhook'>): Promise<Omit<RunOptions, 'host'>> {
  const log = createLogger({ level: settings.logLevel, name: 'webhook' });
  const metrics = createMetrics();
  metrics.buildInfo.set({ version: manifest.version }, 1);
  return { log, clock, grace: settings.drain + grace, components: await assemble(settings, log, metrics) };
}

interface Reach {
  readonly connection: Connection;
  readonly client: Client & Watcher;
  readonly recorder: Recorder;
  readonly metrics: Metrics;
}

async function reach(settings: Settings<'webhook'>, log: Logger, metrics: Metrics): Promise<Reach> {
  const { kubeconfig, podName, auditNamespace } = settings;
  const connection = await connect(kubeconfig === '' ? {} : { kubeconfig });
  const client = createClient(connection, {
    clock,
    random,
    observe: ({ code, method }) => metrics.apiRequests.inc({ code: String(code), method }),
  });
  const recorder = createRecorder({
    client,
    clock,
    log,
    metrics,
    random,
    reportingController: reporters.webhook,
    reportingInstance: podName,
    fallbackNamespace: auditNamespace,
  });
  return { connection, client, recorder, metrics };
}

async function openKeys(settings: Settings<'webhook'>, log: Logger, reached?: Reach): Promise<SigningKeys> {
  const options = { ...settings, overlap: settings.stampKeyOverlap, clock, log };
  if (reached === undefined) return await openSigningKeys(options);
  const { namespace, stampKeyDuration: signing, stampKeyRetention: retention, stampKeyOverlap: overlap } = settings;
  const texts = createStampKeeper({ ...reached, namespace, clock, log, lifetimes: { signing, retention, overlap } });
  return await untilOpen(async () => await openSigningKeys({ ...options, texts }), { clock, log });
}

async function assemble(settings: Settings<'webhook'>, log: Logger, metrics: Metrics): Promise<readonly Component[]> {
  const { controllerUser, host, port } = settings;
  // What is wrong with files is said before anybody is called.
  const tls = await initialServing(settings, clock);
  const fromFiles = settings.stampKeys === 'files' ? await openKeys(settings, log) : undefined;
  const reached = await reach(settings, log, metrics);
  const { connection, client, recorder } = reached;
  const keys = fromFiles ?? (await openKeys(settings, log, reached));
  const health = createHealth();
  const served = createServed(settings.namespaces);
  const keeping = { client, clock, random, log, metrics, health, served };
  const storage = createStorage(keeping);
  const { known, ...kept } = createKnown(keeping);
  const surroundings = createSurroundings({ ...keeping, watchPods: settings.warnSourceInUse, quota: settings.quota });
  const refuseOverQuota = settings.quota === 'deny';
  const advise = createAdvise({ storage: storage.lookups, surroundings, refuseOverQuota, log });
  const ask = createAsk({ client, clock, metrics, policy: accessPolicyOf(settings) });
  const { signer, verifier } = keys;
  const policy = policyFactsOf(settings);
  const validate = createValidate({ verifier, ask, client, known, served, advise, controllerUser });
  const handlers = [
    createMutate({ signer, verifier, ask, client, known, served, storage: storage.lookups, policy, clock }),
    settings.mode === 'shadow' ? shadowed(validate) : validate,
  ];
  const audit = createAudit({ log, metrics, recorder, events: eventPolicyOf(settings, served) });
  const server = createServer({ host, port, tls, handlers, audit, clock, log, metrics, drain: settings.drain });
  checkServing(health, server);
  return [
    opsServer({ host: settings.opsHost, port: settings.opsPort, health, metrics }),
    { name: 'connection', start: async () => undefined, stop: async () => await connection.close() },
    { name: 'events', start: async () => undefined, stop: async () => await recorder.close(lastEvents) },
    storage,
    kept,
    surroundings,
    keys.lookout,
    ...certificateComponents({ settings, client, recorder, clock, log, metrics, initial: tls, serve: server.serve }),
    // Behind all that calls in hand need, so that it stops before them.
    server,
  ];
}

function checkServing(health: Health, server: AdmissionServer): void {
  health.check('certificate', () => {
    if (server.serving === undefined) return 'there is no serving certificate yet';
    return clock.now() < server.serving.notAfter || 'the serving certificate has expired';
  });
  health.check('admission', () => server.port > 0 || 'admission calls are not served yet');
}

await runProgram('webhook', build);
