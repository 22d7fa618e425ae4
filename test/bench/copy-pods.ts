import { copyPod } from '../../controller/steps/copy/pod.ts';
import type { CopyResult } from '../../shared/api/copy.ts';
import type { DataVolume } from '../../shared/api/datavolume.ts';
import type { PersistentVolumeClaim, Stored } from '../../shared/api/objects.ts';
import { copyPolicy } from '../support/build/copies.ts';
import { createClaim } from '../support/claims.ts';
import { type Cluster, startCluster } from '../support/cluster/index.ts';
import { createNamespace } from '../support/cluster/namespace.ts';
import { ensureImage } from '../support/image/index.ts';
import { createPod, podEnd } from '../support/pods.ts';
import type { PodRun } from './copy-findings.ts';

/** What a copy pod takes beside the copying: real pods on a real node, each with an image of 8 MiB, and in turns with them pods that do nothing. */

/** @throws Error when no node can be made here. */
export async function measurePods(rounds: number, log: (line: string) => void): Promise<readonly PodRun[]> {
  const image = await ensureImage();
  const cluster = await startCluster({ tier: 'node', name: 'bench', log });
  try {
    await cluster.importImage(image.archive);
    const namespace = await createNamespace(cluster, 'copies');
    const runs: PodRun[] = [];
    // The first of each kind finds nothing in any cache, and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      const made = await measureRound(cluster, namespace, image.reference, round);
      if (round > 0) runs.push(made);
    }
    return runs;
  } finally {
    await cluster.stop();
  }
}

async function measureRound(cluster: Cluster, namespace: string, image: string, round: number): Promise<PodRun> {
  const names = { idle: [`idle-a-${round}`, `idle-b-${round}`], copy: [`from-${round}`, `to-${round}`] } as const;
  const spec = { volumeMode: 'Block', resources: { requests: { storage: '8Mi' } } };
  for (const name of Object.values(names).flat()) await createClaim(cluster, namespace, name, spec);
  const idleBegun = Date.now();
  const claims = { [names.idle[0]]: '/dev/a', [names.idle[1]]: '/dev/b' };
  await createPod(cluster, namespace, { name: `idle-${round}`, script: 'true', claims });
  const { phase } = await podEnd(cluster, namespace, `idle-${round}`);
  const idle = (Date.now() - idleBegun) / 1000;
  const copied = await measureCopy(cluster, { namespace, image, round, from: names.copy[0], to: names.copy[1] });
  const wrong = phase === 'Succeeded' ? copied.wrong : [`a pod that does nothing ended as ${phase}`, ...copied.wrong];
  return { ...copied, round, idle, wrong };
}

interface CopyWish {
  readonly namespace: string;
  readonly image: string;
  readonly round: number;
  readonly from: string;
  readonly to: string;
}

/** The pod as the controller makes it. */
async function measureCopy(
  cluster: Cluster,
  { namespace, image, round, from, to }: CopyWish,
): Promise<Omit<PodRun, 'round' | 'idle'>> {
  const claim = async (name: string): Promise<Stored<PersistentVolumeClaim>> =>
    await cluster.api.get(`/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`);
  const volume: Stored<DataVolume> = {
    metadata: { namespace, name: `copy-${round}`, uid: `bench-${round}`, resourceVersion: '1' },
    spec: {},
  };
  const [source, destination] = await Promise.all([claim(from), claim(to)]);
  const policy = { ...copyPolicy, image };
  const plan = { volume, policy, from: source, to: destination, imageSize: 0n, avoids: [], attempt: 0 };
  const { object } = copyPod(plan);
  const created = Date.now();
  await cluster.api.post(`/api/v1/namespaces/${namespace}/pods`, object);
  const { phase, logs } = await podEnd(cluster, namespace, object.metadata.name ?? '');
  const told = (Date.now() - created) / 1000;
  return {
    ...stretches(logs, created, told),
    wrong: phase === 'Succeeded' ? [] : [`the copy pod ended as ${phase}: ${logs}`],
  };
}

interface Line {
  /** Seconds since the epoch; absent in lines of progress. */
  readonly ts?: number;
  readonly msg?: string;
  readonly result?: CopyResult;
}

/** By the log of the program, whose clock is this machine's. */
function stretches(logs: string, created: number, told: number): Pick<PodRun, 'start' | 'prepare' | 'copy' | 'told'> {
  const lines = logs
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
  const after = (line: Line | undefined): number => (line?.ts ?? Number.NaN) - created / 1000;
  const done = lines.find(({ msg }) => msg === 'Done');
  const [copying, end] = [after(lines.find(({ msg }) => msg === 'Copying a disk image')), after(done)];
  const start = end - (done?.result?.outcome === 'succeeded' ? done.result.seconds : Number.NaN);
  return { start, prepare: copying - start, copy: end - copying, told: told - end };
}
