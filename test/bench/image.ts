import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, startCluster } from '../support/cluster/index.ts';
import { pidOf } from '../support/image/container.ts';
import { checkout } from '../support/image/context.ts';
import { type BuiltImage, buildImage } from '../support/image/index.ts';
import { type PodOptions, podOf } from '../support/image/pod.ts';
import { benched } from './benched.ts';
import { type Form, failuresOf, forms, type Sizes, type Start, tablesOf } from './image-findings.ts';
import { cpuOf, memoryOf, shareOf } from './proc.ts';
import { idle, installPrograms, startProgram } from './programs.ts';
import type { Bench, BenchOptions, Report } from './report.ts';
import { rotated } from './stats.ts';

/** What bundling brings: each program started in the image's container, in turns from its sources and from its bundle. */

export const image: Bench = async ({ quick, log }: BenchOptions): Promise<Report> => {
  const built = await buildImage();
  const cluster = await startCluster({ tier: 'api', name: 'bench', log });
  try {
    await installPrograms(cluster, built);
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

async function start(
  cluster: Cluster,
  built: BuiltImage,
  { program, form, round }: Pick<Start, 'program' | 'form' | 'round'>,
): Promise<Start> {
  const main = form === 'sources' ? `/run/checkout/${program}/main.ts` : `/app/${program}.mjs`;
  const pod = podOf(cluster, built, main, optionsOf[form]);
  let took = 0;
  let cpu = 0;
  const process = await startProgram(cluster, program, async (started) => {
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
