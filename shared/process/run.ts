import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

/** A part of a program that is started and stopped. */
export interface Component {
  readonly name: string;
  /**
   * Resolves once the part does its work; parts start one after the other. The signal aborts when the program ends. A part that breaks
   * later says so by `fail`, which ends the program.
   */
  start(signal: AbortSignal, fail: (error: unknown) => void): Promise<void>;
  /** Called in reverse order of the starts, after the signal was aborted; also for a part whose start did not come to its end. */
  stop?(): Promise<void>;
}

/** What of the process is needed here; tests bring their own. */
export interface Host {
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
  exit(code: number): unknown;
}

export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

export interface RunOptions {
  readonly log: Logger;
  readonly clock: Clock;
  readonly components: readonly Component[];
  /** Milliseconds that all stops together may take; after it the process exits with 1. */
  readonly grace: number;
  readonly host?: Host;
}

const signals = ['SIGTERM', 'SIGINT'] as const;
const faults = ['uncaughtException', 'unhandledRejection'] as const;

/**
 * Starts the components in order and runs until SIGTERM, SIGINT or the failure of a component, then stops them in reverse order and
 * exits: 0 after a signal, 1 after a failure or when the grace is over. A second signal exits at once.
 * @returns the exit code, for those who replaced `host.exit`.
 */
export async function run({ log, clock, components, grace, host = process }: RunOptions): Promise<number> {
  const ending = new AbortController();
  const state: { code: number } = { code: exitCodes.ok };
  const fail = (error: unknown, name?: string): void => {
    state.code = exitCodes.failed;
    log.error({ err: error, component: name }, 'Component failed');
    ending.abort(error);
  };
  const onFault = (error: unknown): void => fail(error);
  const onSignal = (name: unknown): void => {
    if (ending.signal.aborted) {
      log.warn({ signal: name }, 'Second signal received, exiting at once');
      host.exit(exitCodes.failed);
      return;
    }
    log.info({ signal: name }, 'Signal received, stopping');
    ending.abort(new Error(`received ${String(name)}`));
  };
  for (const event of signals) host.on(event, onSignal);
  for (const event of faults) host.on(event, onFault);

  const begun = await startAll(components, ending.signal, fail, log);
  await whenAborted(ending.signal);
  const stopped = await Promise.race([stopAll(begun, log), expiry(clock, grace)]);
  if (stopped !== 'clean') state.code = exitCodes.failed;
  if (stopped === 'late') log.error({ grace }, 'Components did not stop in time');
  log.info({ code: state.code }, 'Stopped');

  for (const event of signals) host.off(event, onSignal);
  for (const event of faults) host.off(event, onFault);
  host.exit(state.code);
  return state.code;
}

/** Starts one after the other until all are up or the program ends; returns those begun, in order. */
async function startAll(
  components: readonly Component[],
  signal: AbortSignal,
  fail: (error: unknown, name: string) => void,
  log: Logger,
): Promise<Component[]> {
  const begun: Component[] = [];
  for (const component of components) {
    if (signal.aborted) return begun;
    begun.push(component);
    const report = (error: unknown): void => fail(error, component.name);
    try {
      // A start that does not heed the signal must not keep the program from ending.
      await Promise.race([component.start(signal, report), whenAborted(signal)]);
    } catch (error) {
      if (!signal.aborted) report(error);
      return begun;
    }
    if (!signal.aborted) log.info({ component: component.name }, 'Component started');
  }
  return begun;
}

async function stopAll(begun: readonly Component[], log: Logger): Promise<'clean' | 'unclean'> {
  let result: 'clean' | 'unclean' = 'clean';
  for (const component of begun.toReversed()) {
    try {
      await component.stop?.();
    } catch (error) {
      result = 'unclean';
      log.error({ err: error, component: component.name }, 'Component failed to stop');
    }
  }
  return result;
}

async function expiry(clock: Clock, grace: number): Promise<'late'> {
  await clock.sleep(grace);
  return 'late';
}

async function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
