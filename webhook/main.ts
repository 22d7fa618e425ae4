import { certificateComponents, initialServing } from '../certs/source.ts';
import manifest from '../package.json' with { type: 'json' };
import { reporters } from '../shared/api/names.ts';
import { policyFactsOf } from '../shared/decision/facts.ts';
import { createClient } from '../shared/kube/client.ts';
import { connect } from '../shared/kube/connection.ts';
import { createRecorder } from '../shared/kube/events.ts';
import { systemClock } from '../shared/process/clock.ts';
import { createHealth, type Health, opsServer } from '../shared/process/health.ts';
import { createLogger, type Logger } from '../shared/process/log.ts';
import { createMetrics, type Metrics } from '../shared/process/metrics.ts';
import { runProgram } from '../shared/process/program.ts';
import type { Component, RunOptions } from '../shared/process/run.ts';
import type { Settings } from '../shared/process/settings.ts';
import { accessPolicyOf } from '../shared/trust/access.ts';
import { openSigningKeys } from '../shared/trust/keyring.ts';
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

async function assemble(settings: Settings<'webhook'>, log: Logger, metrics: Metrics): Promise<readonly Component[]> {
  const { kubeconfig, podName, auditNamespace, controllerUser, host, port } = settings;
  const [tls, keys] = await Promise.all([
    initialServing(settings, clock),
    openSigningKeys({ ...settings, overlap: settings.stampKeyOverlap, clock, log }),
  ]);
  const connection = await connect(kubeconfig === '' ? {} : { kubeconfig });
  const client = createClient(connection, {
    clock,
    random,
    observe: ({ code, method }) => metrics.apiRequests.inc({ code: String(code), method }),
  });
  const health = createHealth();
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
  const keeping = { client, clock, random, log, metrics, health };
  const storage = createStorage(keeping);
  const { known, ...kept } = createKnown(keeping);
  const surroundings = createSurroundings({ ...keeping, watchPods: settings.warnSourceInUse, quota: settings.quota });
  const refuseOverQuota = settings.quota === 'deny';
  const advise = createAdvise({ storage: storage.lookups, surroundings, refuseOverQuota, log });
  const ask = createAsk({ client, clock, metrics, policy: accessPolicyOf(settings) });
  const { signer, verifier } = keys;
  const policy = policyFactsOf(settings);
  const validate = createValidate({ verifier, ask, client, known, advise, controllerUser });
  const handlers = [
    createMutate({ signer, verifier, ask, client, known, storage: storage.lookups, policy, clock }),
    settings.mode === 'shadow' ? shadowed(validate) : validate,
  ];
  const audit = createAudit({ log, metrics, recorder, events: eventPolicyOf(settings) });
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
