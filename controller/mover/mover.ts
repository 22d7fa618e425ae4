import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DestinationStream } from 'pino';
import { type CopyResult, podAddressVariable } from '../../shared/api/copy.ts';
import type { Clock } from '../../shared/process/clock.ts';
import { createLogger, type Logger } from '../../shared/process/log.ts';
import { exitCodes, type Host } from '../../shared/process/run.ts';
import { asksForHelp } from '../../shared/process/settings.ts';
import { SettingsError } from '../../shared/process/values.ts';
import { helpText, type Order, parseOrder } from './arguments.ts';
import type { Context, Copied } from './context.ts';
import { CopyError, failed } from './failure.ts';
import { copyImage } from './image/copy.ts';
import { localSource } from './image/source.ts';
import { pathsOf, terminationLogAt } from './paths.ts';
import { createMeter } from './progress.ts';
import { createTools } from './tools.ts';
import { copyTree } from './tree/copy.ts';
import { localTree } from './tree/source.ts';

/** One run of the program in the copy pod: from its arguments to its result. */

/** The process; tests bring their own. */
export interface MoverHost extends Pick<Host, 'on' | 'off'> {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: DestinationStream;
  readonly geteuid?: () => number;
}

const rootVariable = 'CLONEGATE_COPY_ROOT';
const signals = ['SIGTERM', 'SIGINT'] as const;

/** @returns the exit code. What happened is in the termination message by then. */
export async function runMover(host: MoverHost, clock: Clock): Promise<number> {
  const argv = host.argv.slice(2);
  if (asksForHelp(argv)) {
    host.stdout.write(helpText());
    return exitCodes.ok;
  }
  const log = createLogger({ level: 'info', name: 'copy', destination: host.stdout, clock });
  const root = host.env[rootVariable] ?? '';
  const interrupted = new AbortController();
  const stop = (signal: unknown): void =>
    interrupted.abort(new CopyError('CopyToolFailed', `interrupted by ${String(signal)}`, { retry: true }));
  for (const signal of signals) host.on(signal, stop);
  const begun = clock.elapsed();
  try {
    const order = parseOrder(argv);
    const copied = await work(order, contextOf(order, { host, clock, log, root, signal: interrupted.signal }), host);
    if (copied === undefined) log.info('The source is not handed out any longer');
    else conclude(log, root, succeeded(copied, (clock.elapsed() - begun) / 1000));
    return exitCodes.ok;
  } catch (error) {
    const usage = error instanceof SettingsError;
    log.error({ err: error }, 'The copy failed');
    conclude(log, root, failed(usage ? new CopyError('CopyToolFailed', error.message, { retry: false }) : error));
    return usage ? exitCodes.usage : exitCodes.failed;
  } finally {
    for (const signal of signals) host.off(signal, stop);
  }
}

interface Surroundings {
  readonly host: MoverHost;
  readonly clock: Clock;
  readonly log: Logger;
  readonly root: string;
  readonly signal: AbortSignal;
}

function contextOf(order: Order, { host, clock, log, root, signal }: Surroundings): Context {
  return {
    paths: pathsOf(order, root),
    tools: createTools(signal, clock),
    meter: createMeter(clock, (progress) => host.stdout.write(`${JSON.stringify(progress)}\n`)),
    clock,
    log,
    signal,
    user: host.geteuid?.() ?? 0,
  };
}

/** @returns undefined when it was an export, which was told to end. */
async function work(order: Order, context: Context, host: MoverHost): Promise<Copied | undefined> {
  // What talks to another pod is loaded where there is one.
  if (order.role === 'import') return await (await import('./peer/import.ts')).importSource(order, context);
  if (order.role === 'copy') return await copy(order, context);
  const { exportSource } = await import('./peer/export.ts');
  const folder = dirname(host.argv[1] ?? '');
  await exportSource(order, context, { address: host.env[podAddressVariable], folder });
  return undefined;
}

async function copy(order: Order, context: Context): Promise<Copied> {
  if (order.content === 'archive') return await copyTree(order, context, localTree(context));
  const source = await localSource(order, context);
  try {
    return await copyImage(order, context, source);
  } finally {
    await source.close();
  }
}

function succeeded({ bytes, digest }: Copied, seconds: number): CopyResult {
  const rounded = Math.round(seconds * 1000) / 1000;
  return { outcome: 'succeeded', bytes: String(bytes), seconds: rounded, ...(digest === undefined ? {} : { digest }) };
}

/** Says how it ended, to the kubelet and in the log. */
function conclude(log: Logger, root: string, result: CopyResult): void {
  log.info({ result }, 'Done');
  try {
    writeFileSync(terminationLogAt(root), JSON.stringify(result));
  } catch (error) {
    // The exit code still tells whether it went well.
    log.error({ err: error }, 'The result could not be written to the termination log');
  }
}
