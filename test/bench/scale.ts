import { ensureAssets } from '../support/cluster/assets.ts';
import { type Cluster, startCluster, until } from '../support/cluster/index.ts';
import { pidOf } from '../support/image/container.ts';
import { type BuiltImage, buildImage } from '../support/image/index.ts';
import { podOf } from '../support/image/pod.ts';
import { requestsOf } from './audit.ts';
import { type Benched, benched } from './benched.ts';
import { cpuOf, memoryOf } from './proc.ts';
import { idle, installPrograms, startProgram } from './programs.ts';
import type { Bench, BenchOptions, Report } from './report.ts';
import { failuresOf, type Standing, tablesOf } from './scale-findings.ts';
import { fillCluster, objectsEach } from './scale-world.ts';

/** What both programs hold and ask for in a large cluster in which nothing is to be done. */

/** Virtual machines, each with the objects of {@link objectsEach}. */
const full = [0, 1000, 10_000];
const quick = [0, 1000];
/** Milliseconds that are looked at when everything is done. */
const quiet = 30_000;

export const scale: Bench = async ({ quick: short, log }: BenchOptions): Promise<Report> => {
  const built = await buildImage();
  const cluster = await startCluster({ tier: 'api', name: 'bench', log });
  try {
    // A kind that is not there is asked for again and again.
    const { snapshotCrds } = await ensureAssets();
    await cluster.kubectl(['apply', '--server-side', ...snapshotCrds.map((file) => `--filename=${file}`)]);
    await installPrograms(cluster, built);
    const standings: Standing[] = [];
    let there = 0;
    for (const machines of short ? quick : full) {
      // Nobody answers for it while no webhook runs.
      await cluster.kubectl(['delete', 'mutatingwebhookconfigurations,validatingwebhookconfigurations', '--all']);
      await fillCluster(cluster.api, there, machines, log);
      there = machines;
      for (const program of benched) standings.push(await stand(cluster, built, program, machines));
      log(`both were measured beside ${machines} virtual machines`);
    }
    return { title, notes, tables: tablesOf(standings), failures: failuresOf(standings) };
  } finally {
    await cluster.stop();
  }
};

const title = 'Scale: webhook and controller beside finished clones';

const each = Object.entries(objectsEach).map(([resource, count]) => `${count} ${resource}`);
const notes = [
  `A virtual machine is ${each.join(', ')}. Each program alone, by runc from the image with its flags, against one API server.`,
  `Heap as in a container with the chart's limit of memory. Afterwards: ${quiet / 1000} s without anything to do.`,
];

/** Old space in MiB: 65 % of what the chart gives each, which is what Node reckons by itself in a container that has that limit. */
const heap: Readonly<Record<Benched, number>> = { webhook: 250, controller: 333 };

async function stand(cluster: Cluster, built: BuiltImage, program: Benched, machines: number): Promise<Standing> {
  const env = { NODE_OPTIONS: `--max-semi-space-size=4 --max-old-space-size=${heap[program]}` };
  const pod = podOf(cluster, built, `/app/${program}.mjs`, { env });
  const from = Date.now();
  let took = 0;
  const process = await startProgram(cluster, program, async (started) => {
    const begin = performance.now();
    const managed = await pod(started);
    took = performance.now() - begin;
    return managed;
  });
  try {
    const pid = await pidOf({ folder: cluster.address.folder, name: process.name });
    await idle(pid);
    const [at, cpu, busy] = [Date.now(), cpuOf(pid), memoryOf(pid)];
    await until('it to have had its quiet', () => Date.now() - at > quiet, { interval: 500 });
    const memory = memoryOf(pid);
    const username = `system:serviceaccount:clonegate-system:clonegate-${program}`;
    const events = await cluster.auditEvents();
    const asked = requestsOf(events, username, [{ from, to: at }]);
    const after = requestsOf(events, username, [{ from: at, to: at + quiet }]);
    return { program, machines, took, cpu, busy, memory, asked, after };
  } finally {
    await process.kill('SIGTERM');
  }
}
