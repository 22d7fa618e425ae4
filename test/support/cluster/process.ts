import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { cacheRoot } from './cache.ts';
import { markerVariable } from './identity.ts';
import { until } from './until.ts';

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** stdout and stderr are appended here. */
  readonly logFile: string;
  /** Cluster that it belongs to. */
  readonly cluster: string;
  /** Whether it does its work yet; looked at until it says true. Absent: it is ready when it runs. */
  readonly ready?: () => boolean | Promise<boolean>;
  /** Milliseconds until it must be ready; default 60,000. */
  readonly timeout?: number;
  /** Told when it ends, once ready, without having been killed by {@link ManagedProcess.kill}. */
  readonly onDeath?: (message: string) => void;
}

/** One of the cluster's programs, with the handles that chaos tests need. */
export interface ManagedProcess {
  readonly name: string;
  readonly logFile: string;
  /** `undefined` while it does not run. */
  readonly pid: number | undefined;
  /** Of the run that ended last; `undefined` while it runs, and when a signal ended it. */
  readonly exitCode: number | undefined;
  /** Starts it with the same arguments (and so the same ports) and waits until it is ready. @throws Error with the end of its log when it ends first. */
  start(): Promise<void>;
  /** Ends it with a signal, SIGKILL unless told otherwise, and waits until it is gone. Does nothing when it does not run. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Resolves when the run that is on now ends. */
  readonly exited: Promise<void>;
}

export function createProcess(spec: ProcessSpec): ManagedProcess {
  let child: ChildProcess | undefined;
  let killed: ChildProcess | undefined;
  const running = (): ChildProcess | undefined => (child !== undefined && !ended(child) ? child : undefined);
  const exited = async (): Promise<void> => {
    const current = running();
    if (current === undefined) return;
    // Who waits for its end wants to be kept alive until then.
    current.ref();
    await once(current, 'exit');
  };
  return {
    name: spec.name,
    logFile: spec.logFile,
    get pid() {
      return running()?.pid;
    },
    get exitCode() {
      return child?.exitCode ?? undefined;
    },
    get exited() {
      return exited();
    },
    start: async () => {
      if (running() !== undefined) throw new Error(`${spec.name} runs already`);
      const started = launch(spec);
      child = started;
      await readiness(spec, started);
      if (spec.onDeath !== undefined)
        started.once('exit', () => killed !== started && spec.onDeath?.(epitaph(spec, started)));
    },
    kill: async (signal = 'SIGKILL') => {
      killed = running();
      killed?.kill(signal);
      await exited();
    },
    pause: () => void running()?.kill('SIGSTOP'),
    resume: () => void running()?.kill('SIGCONT'),
  };
}

export async function startAll(processes: readonly ManagedProcess[]): Promise<void> {
  await Promise.all(processes.map((process) => process.start()));
}

/**
 * For programs of which many are started and few run long. Those in Go collect garbage a quarter as often, which takes a sixth off the CPU time
 * of whole test files for memory that a machine has which runs tests; those in Node find what an earlier start has compiled.
 */
const thrift = { GOGC: '400', NODE_COMPILE_CACHE: join(cacheRoot(process.env), 'node') };

/**
 * In a process group of its own, so that Ctrl-C in a terminal does not reach it before us, and without holding our event loop: a
 * script that forgets to stop a cluster ends, and the watchdog takes it from there.
 */
function launch(spec: ProcessSpec): ChildProcess {
  const log = openSync(spec.logFile, 'a');
  try {
    const child = spawn(spec.command, spec.args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'], ...thrift, ...spec.env, [markerVariable]: spec.cluster },
    });
    // Without a listener a missing program would be an uncaught exception; readiness() reports it.
    child.on('error', () => undefined);
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

function ended(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

async function readiness(spec: ProcessSpec, child: ChildProcess): Promise<void> {
  if (child.pid === undefined) throw new Error(`${spec.name} could not be started: ${spec.command}`);
  const dead = new AbortController();
  const onExit = (): void => dead.abort(new Error(epitaph(spec, child)));
  child.once('exit', onExit);
  try {
    await until(`${spec.name} to be ready (log: ${spec.logFile})`, spec.ready ?? (() => true), {
      timeout: spec.timeout ?? 180_000,
      signal: dead.signal,
    });
  } finally {
    child.off('exit', onExit);
  }
}

function epitaph(spec: ProcessSpec, child: ChildProcess): string {
  const how = child.signalCode ?? `exit code ${child.exitCode}`;
  return `${spec.name} ended by itself (${how}); the end of ${spec.logFile}:\n${tail(spec.logFile)}`;
}

/** The last lines of a log, for error messages; empty when there is none. */
export function tail(file: string, lines = 15): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

/** Whether somebody listens on a Unix socket. The file alone proves nothing: a program that was killed leaves it behind. */
export async function accepts(socket: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const connection = connect(socket, () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
