import { access } from 'node:fs/promises';
import { systemClock } from '../../../shared/process/clock.ts';
import { startDriver } from './driver.ts';
import { type DriverOptions, parseOptions, USAGE, UsageError } from './options.ts';

const EXIT_USAGE = 2;

/** Reads the arguments; ends the program when they ask for help or make no sense. */
async function readOptions(): Promise<DriverOptions | undefined> {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === 'help') {
      process.stdout.write(USAGE);
      return undefined;
    }
    await access(options.proto).catch(() => {
      throw new UsageError(`--proto ${options.proto}: cannot be read; it is part of the CSI specification's Go module`);
    });
    return options;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n(--help lists what there is)\n`);
    process.exitCode = EXIT_USAGE;
    return undefined;
  }
}

async function main(): Promise<void> {
  const options = await readOptions();
  if (options === undefined) return;
  const log = (line: string) => process.stdout.write(`${new Date(systemClock.now()).toISOString()} ${line}\n`);
  // Listening for signals first: one that comes during the start is obeyed once the start is done.
  const signal = new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  });
  const driver = await startDriver(options, systemClock, log);
  log(`${await signal}: stopping`);
  await driver.stop();
  log('stopped');
}

try {
  await main();
} catch (error) {
  process.stderr.write(
    `the CSI driver failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = 1;
}
