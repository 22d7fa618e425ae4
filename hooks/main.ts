import { randomUUID } from 'node:crypto';
import { createExpectations } from '../controller/expectations.ts';
import { lookup } from '../controller/stores.ts';
import { createWatches } from '../controller/watches.ts';
import { reporters } from '../shared/api/names.ts';
import { createClient } from '../shared/kube/client.ts';
import { connect } from '../shared/kube/connection.ts';
import { createRecorder } from '../shared/kube/events.ts';
import { createElector } from '../shared/kube/lease.ts';
import { createServed } from '../shared/kube/served.ts';
import { systemClock as clock } from '../shared/process/clock.ts';
import { createHealth } from '../shared/process/health.ts';
import { createLogger, type Logger } from '../shared/process/log.ts';
import { createMetrics } from '../shared/process/metrics.ts';
import { exitCodes } from '../shared/process/run.ts';
import { asksForHelp, helpText, parseSettings, type Settings, SettingsError } from '../shared/process/settings.ts';
import { uninstall } from './uninstall.ts';
import { verify } from './verify.ts';

/** What the chart runs once: `uninstall` before the release goes, `verify` for `helm test`. `node hooks/main.ts --help` tells the settings. */

const random = Math.random;
/** Milliseconds to write the last events. */
const lastEvents = 5000;

type Command = (settings: Settings<'hooks'>, log: Logger, signal: AbortSignal) => Promise<void>;

const commands: Readonly<Record<string, Command>> = { uninstall: runUninstall, verify: runVerify };
const usage = `commands: ${Object.keys(commands).join(', ')}\n\n`;

async function reach({ kubeconfig }: Settings<'hooks'>) {
  const connection = await connect(kubeconfig === '' ? {} : { kubeconfig });
  return { connection, client: createClient(connection, { clock, random }) };
}

async function runVerify(settings: Settings<'hooks'>, log: Logger): Promise<void> {
  const { connection, client } = await reach(settings);
  try {
    await verify({ client, clock, log, namespace: settings.verifyNamespace, mode: settings.mode });
  } finally {
    await connection.close();
  }
}

async function runUninstall(settings: Settings<'hooks'>, log: Logger, signal: AbortSignal): Promise<void> {
  const { namespace, podName, uninstallWait: wait, leaseName, leaseDuration, renewDeadline, retryPeriod } = settings;
  const { connection, client } = await reach(settings);
  const metrics = createMetrics();
  const served = createServed(settings.namespaces);
  const told = { client, clock, log, metrics, random };
  const recorder = createRecorder({
    ...told,
    reportingController: reporters.controller,
    reportingInstance: podName,
  });
  const { stores, ...watches } = createWatches({ ...told, health: createHealth(), served });
  const expectations = createExpectations((resource, key) => lookup(stores, resource, key), clock);
  const identity = `${podName}_${randomUUID()}`;
  const lease = { namespace, name: leaseName, identity, leaseDuration, renewDeadline, retryPeriod };
  const elector = createElector({ client, clock, random, log, ...lease });
  const self = { namespace, podName };
  const ended = new AbortController();
  try {
    await watches.start(AbortSignal.any([signal, ended.signal]), () => undefined);
    await uninstall({ ...told, stores, expectations, elector, recorder, served, self, wait }, signal);
  } finally {
    ended.abort();
    await watches.stop?.();
    await recorder.close(lastEvents);
    await connection.close();
  }
}

async function main([name = '', ...flags]: readonly string[]): Promise<number> {
  if (asksForHelp([name, ...flags])) {
    process.stdout.write(usage + helpText('hooks'));
    return exitCodes.ok;
  }
  const command = commands[name];
  if (command === undefined) {
    process.stderr.write(`unknown command ${JSON.stringify(name)}; ${usage}`);
    return exitCodes.usage;
  }
  const stopping = new AbortController();
  process.once('SIGTERM', () => stopping.abort(new Error('received SIGTERM')));
  try {
    const settings = parseSettings('hooks', flags, process.env);
    await command(settings, createLogger({ level: settings.logLevel, name }), stopping.signal);
    return exitCodes.ok;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof SettingsError ? exitCodes.usage : exitCodes.failed;
  }
}

process.exitCode = await main(process.argv.slice(2));
