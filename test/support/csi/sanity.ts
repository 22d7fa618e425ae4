import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { cached, cacheRoot, keyOfInputs } from '../cluster/cache.ts';
import { go } from '../cluster/go.ts';
import { markerVariable } from '../cluster/identity.ts';
import { startProgress } from '../cluster/progress.ts';
import { REMOVABLE } from './features.ts';
import { type DriverChoice, openWorkshop, startDriver, type Workshop } from './harness.ts';
import { parseReport, type SanityReport } from './sanityreport.ts';

/** Runs csi-sanity against the driver with everything it has, and then without each thing that it can lack. */

const moduleFolder = fileURLToPath(new URL('./sanity', import.meta.url));
const MIB = 1024 ** 2;

const CHOICES: readonly (DriverChoice & { readonly title: string })[] = [
  { title: 'everything', name: 'whole' },
  { title: 'with topology', name: 'topology', topology: true },
  ...REMOVABLE.map((capability) => ({
    title: `without ${capability}`,
    name: `without-${capability.toLowerCase().replaceAll('_', '-')}`,
    without: [capability],
  })),
];

async function main(): Promise<void> {
  const program = join(await ensureSanity(), 'csi-sanity');
  const workshop = await openWorkshop((line) => process.stdout.write(`${line}\n`));
  // The watchdog cleans up after a process that ends by Ctrl-C just as well as after one that closes the workshop.
  try {
    const canMount = process.getuid?.() === 0;
    if (!canMount) process.stdout.write('csi-sanity: the node service is NOT tested, as only root can mount\n');
    process.stdout.write('csi-sanity skips the tests of what a driver does not claim\n');
    for (const choice of CHOICES) await check(program, workshop, choice, canMount);
  } finally {
    await workshop.close();
  }
}

async function check(
  program: string,
  workshop: Workshop,
  choice: (typeof CHOICES)[number],
  canMount: boolean,
): Promise<void> {
  const driver = await startDriver(workshop, choice);
  const log = join(workshop.folder, `${choice.name}.sanity.log`);
  const code = await runSanity(program, workshop, sanityArguments(workshop, driver.endpoint, canMount), log);
  driver.client.close();
  await driver.process.kill('SIGTERM');
  const report = parseReport(await readFile(log, 'utf8'));
  process.stdout.write(`csi-sanity, ${choice.title}: ${report?.summary ?? 'no summary'}\n`);
  if (code === 0 && report !== undefined && isGood(report)) return;
  process.exitCode = 1;
  const failures = report?.failures ?? [];
  for (const failure of failures) process.stdout.write(`  ${failure}\n`);
  process.stdout.write(await readFile(failures.length > 0 ? driver.process.logFile : log, 'utf8'));
}

/** A run that found nothing to test has shown nothing. */
function isGood({ passed, failed }: SanityReport): boolean {
  return failed === 0 && passed > 0;
}

function sanityArguments({ folder }: Workshop, endpoint: string, canMount: boolean): readonly string[] {
  return [
    `--csi.endpoint=unix://${endpoint}`,
    `--csi.mountdir=${join(folder, 'target')}`,
    `--csi.stagingdir=${join(folder, 'staging')}`,
    `--csi.testvolumesize=${320 * MIB}`,
    `--csi.testvolumeexpandsize=${640 * MIB}`,
    '--ginkgo.no-color',
    // A driver that never gets something ready makes csi-sanity wait for an hour otherwise; a run takes seconds.
    '--ginkgo.timeout=2m',
    ...(canMount ? [] : ['--ginkgo.skip=Node Service']),
  ];
}

/** @returns the exit code; what the program says goes to a file. */
async function runSanity(
  program: string,
  { id, folder }: Workshop,
  args: readonly string[],
  log: string,
): Promise<number | null> {
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [markerVariable]: id },
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  const file = createWriteStream(log, { flags: 'a' });
  await Promise.all([
    pipeline(child.stdout, file, { end: false }),
    pipeline(child.stderr, file, { end: false }),
    ended,
  ]);
  await new Promise<void>((resolve) => file.end(resolve));
  return ended;
}

/** Builds csi-sanity once, like the control plane's programs: kept in the cache as long as nothing that made it changes. */
async function ensureSanity(): Promise<string> {
  const flags = ['-trimpath', '-buildvcs=false', '-gcflags=all=-dwarf=false', '-ldflags=-s -w'];
  const [goMod, goSum, version] = await Promise.all([
    readFile(join(moduleFolder, 'go.mod'), 'utf8'),
    readFile(join(moduleFolder, 'go.sum'), 'utf8'),
    go(['env', 'GOVERSION', 'GOOS', 'GOARCH']),
  ]);
  return cached({
    root: cacheRoot(process.env),
    name: `csi-sanity-${keyOfInputs([goMod, goSum, version, ...flags])}`,
    make: async (folder, lockFd) => {
      const progress = startProgress('building csi-sanity (once)');
      const onLine = (line: string) => progress.now(line);
      const env = { CGO_ENABLED: '0', GOGC: '800' };
      // -C must come first; it takes go into this module rather than the control plane's.
      await go(['build', '-C', moduleFolder, '-v', ...flags, '-o', `${folder}/`, 'tool'], { env, lockFd, onLine }).then(
        () => progress.done('done'),
        (error: unknown) => {
          progress.done('failed');
          throw error;
        },
      );
    },
    onWait: (line) => process.stderr.write(`${line}\n`),
  });
}

await main();
