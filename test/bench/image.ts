import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, type ManagedProcess, startCluster, until } from '../support/cluster/index.ts';
import { installController, startController } from '../support/controller.ts';
import { pidOf } from '../support/image/container.ts';
import { checkout } from '../support/image/context.ts';
import { type BuiltImage, buildImage } from '../support/image/index.ts';
import { type PodOptions, podOf } from '../support/image/pod.ts';
import { installWebhook, type Runner, startWebhook } from '../support/webhook.ts';
import {
  type Benched,
  benched,
  type Form,
  failuresOf,
  forms,
  type Sizes,
  type Start,
  tablesOf,
} from './image-findings.ts';
import { cpuOf, memoryOf, shareOf } from './proc.ts';
import type { Bench, BenchOptions, Report } from './report.ts';
import { rotated } from './stats.ts';

/** What bundling brings: each program started in the image's container, in turns from its sources and from its bundle. */

export const image: Bench = async ({ quick, log }: BenchOptions): Promise<Report> => {
  const built = await buildImage();
  const cluster = await startCluster({ tier: 'api', name: 'bench', log });
  try {
    await installWebhook(cluster);
    await installController(cluster);
    await warm(cluster, built);
    log('the keys are there');
    const starts: Start[] = [];
    for (let round = 1; round <= (quick ? 1 : 5); round += 1) {
      for (const form of rotated(forms, round))
        for (const program of benched) starts.push(await start(cluster, built, { program, form: form.key, round }));
      log(`round ${round} is through`);
    }
    return { title, notes, tables: tablesOf(starts, sizesOf(built)), failures: failuresOf(starts) };
  } finally {
    await cluster.stop();
  }
};

const title = 'Image: the programs from their bundles, and the same from their TypeScript';

const notes = [
  "All forms in turns within each round, by runc with a pod's credentials (so client-node is not loaded), the same Node, against one API server with nothing to do.",
  'Ready is looked at every 50 ms; the controller is ready when it leads. Idle is a second in which less than 30 ms of CPU were taken.',
];

/** What makes the forms differ; where the sources are, they are this checkout's. */
const optionsOf: Readonly<Record<Form['key'], PodOptions>> = {
  sources: { env: { NODE_OPTIONS: '' }, mounts: [{ source: checkout, destination: '/run/checkout' }] },
  bundle: { env: { NODE_OPTIONS: '' } },
  image: {},
};

/** Webhook and controller make their stamp keys together, once. */
async function warm(cluster: Cluster, built: BuiltImage): Promise<void> {
  const first = await Promise.all(
    benched.map(async (program) => await run(cluster, program, podOf(cluster, built, `/app/${program}.mjs`))),
  );
  await Promise.all(first.map(async (process) => await process.kill('SIGTERM')));
}

async function run(cluster: Cluster, program: Benched, runner: Runner): Promise<ManagedProcess> {
  const options = { managedKeys: true, runner };
  const started =
    program === 'webhook' ? startWebhook(cluster, { ...options, selfSigned: true }) : startController(cluster, options);
  return (await started).process;
}

async function start(
  cluster: Cluster,
  built: BuiltImage,
  { program, form, round }: Pick<Start, 'program' | 'form' | 'round'>,
): Promise<Start> {
  const main = form === 'sources' ? `/run/checkout/${program}/main.ts` : `/app/${program}.mjs`;
  const pod = podOf(cluster, built, main, optionsOf[form]);
  let took = 0;
  let cpu = 0;
  const process = await run(cluster, program, async (started) => {
    const begin = performance.now();
    const managed = await pod(started);
    took = performance.now() - begin;
    cpu = cpuOf(await pidOf({ folder: cluster.address.folder, name: started.name }));
    return managed;
  });
  const pid = await pidOf({ folder: cluster.address.folder, name: process.name });
  await idle(pid);
  const [rss, pss] = [memoryOf(pid).now, shareOf(pid)];
  await process.kill('SIGTERM');
  return { program, form, round, took, cpu, rss, pss, exitCode: process.exitCode };
}

async function idle(pid: number): Promise<void> {
  let before = cpuOf(pid);
  const look = (): boolean => {
    const now = cpuOf(pid);
    const quiet = now - before < 30;
    before = now;
    return quiet;
  };
  // The first look has no second before it.
  let looks = 0;
  await until('it to be idle', () => look() && (looks += 1) > 1, { interval: 1000 });
}

function sizesOf({ facts, unpacked }: BuiltImage): Sizes {
  const app = join(unpacked, 'rootfs/app');
  const files = readdirSync(app, { recursive: true, encoding: 'utf8' }).map(
    (file) => [file, statSync(join(app, file))] as const,
  );
  const bytes = (wanted: (file: string) => boolean): number =>
    files.filter(([file, stat]) => stat.isFile() && wanted(file)).reduce((sum, [, { size }]) => sum + size, 0);
  return {
    'the image, compressed, on its stand-in base': facts.size,
    '/app, all programs': bytes((file) => file.endsWith('.mjs')),
    'of that, loaded for a kubeconfig only': bytes((file) => file.startsWith('chunks/kube-config-')),
    '/app, licences': bytes((file) => !file.endsWith('.mjs')),
  };
}
