import { readFile } from 'node:fs/promises';
import type { KubeObject } from '../../shared/api/objects.ts';
import { type Client, createClient, type Watcher } from '../../shared/kube/client.ts';
import { connect } from '../../shared/kube/connection.ts';
import { claims, dataVolumes, volumeSnapshots } from '../../shared/kube/resource.ts';
import { systemClock } from '../../shared/process/clock.ts';
import { Tenant } from '../e2e/controller/tenant.ts';
import { stampedClone } from '../support/build/clones.ts';
import { type Cluster, startCluster, until } from '../support/cluster/index.ts';
import { type RunningController, startController } from '../support/controller.ts';
import { arrivalsOf } from './arrivals.ts';
import { drive } from './load.ts';
import type { Way } from './ways.ts';

/** A whole control plane with a CSI driver and the controller; each measurement has namespaces of its own, and leaves nothing behind. */

export interface ExecutionStage {
  readonly cluster: Cluster;
  readonly controller: RunningController;
  readonly client: Client & Watcher;
  close(): Promise<void>;
}

export async function setExecutionStage(log: (line: string) => void): Promise<ExecutionStage> {
  const cluster = await startCluster({ tier: 'storage', name: 'bench', log });
  try {
    // No limits, for the storage has none by hand either.
    const args = ['--clones-per-source=0', '--clones-per-storage-class=0'];
    const controller = await startController(cluster, { args });
    const connection = await connect({ kubeconfig: cluster.kubeconfig('admin') });
    const client = createClient(connection, { clock: systemClock, random: Math.random });
    const close = async (): Promise<void> => {
      await connection.close();
      await cluster.stop();
    };
    log('the controller leads');
    return { cluster, controller, client, close };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** A source, and where clones of it go. */
export interface Place {
  readonly golden: Tenant;
  readonly tenant: Tenant;
  /** Its file. */
  readonly source: string;
}

export async function setPlace({ cluster, controller }: ExecutionStage, { elsewhere }: Way): Promise<Place> {
  const golden = await Tenant.create(cluster, controller.keys, 'bench-source');
  const tenant = elsewhere ? await Tenant.create(cluster, controller.keys, 'bench-target') : golden;
  return { golden, tenant, source: await golden.source() };
}

/** Milliseconds after which something is wrong, not slow. */
const patience = 900_000;
/** Creates in flight, as one who creates many at once has. */
const inFlight = 32;
const nameOf = (index: number): string => `copy-${index}`;
const requests = { storage: '8Mi' };

export interface Made {
  /** Milliseconds until each was there. */
  readonly took: readonly number[];
  /** When the first create was sent, and when nothing was left to do. Wall clock, milliseconds. */
  readonly span: { readonly from: number; readonly to: number };
}

/** `count` clones by the controller, from the first create to the last release. */
export async function makeClones(stage: ExecutionStage, place: Place, way: Way, count: number): Promise<Made> {
  const { client, controller } = stage;
  const { golden, tenant } = place;
  const source = { kind: 'PersistentVolumeClaim', namespace: golden.namespace, name: 'source' } as const;
  const claim = { storageClassName: 'reflink', resources: { requests } };
  const volumes = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const { namespace } = tenant;
      return stampedClone(controller.keys, { namespace, name: nameOf(index), source, claim, strategy: way.strategy });
    }),
  );
  const signal = AbortSignal.timeout(patience);
  const expected = { kind: dataVolumes, namespace: tenant.namespace, count, signal };
  const succeeded = await arrivalsOf(client, { ...expected, isThere: ({ status }) => status?.phase === 'Succeeded' });
  const released = await arrivalsOf(client, {
    ...expected,
    isThere: ({ status, metadata }) => status?.phase === 'Succeeded' && metadata.finalizers === undefined,
  });
  const [from, begin] = [Date.now(), performance.now()];
  await drive(count, inFlight, async (index) => {
    const volume = volumes[index];
    if (volume !== undefined) await tenant.post(volume);
    return 201;
  });
  const times = await succeeded.all;
  await released.all;
  return { took: times.map((time) => time - begin), span: { from, to: Date.now() } };
}

/** `count` claims as one makes them without us: with the source as their dataSource, or with a snapshot for each. */
export async function makeByHand(stage: ExecutionStage, place: Place, way: Way, count: number): Promise<Made> {
  const { client, cluster } = stage;
  const { golden } = place;
  const { namespace } = golden;
  const signal = AbortSignal.timeout(patience);
  // The source is bound already, and is not seen again.
  const isBound = (object: { readonly status?: { readonly phase?: string } }): boolean =>
    object.status?.phase === 'Bound';
  const bound = await arrivalsOf(client, { kind: claims, namespace, count, signal, isThere: isBound });
  const claimFrom = async (name: string, dataSource: object): Promise<void> => golden.createClaim(name, { dataSource });
  const snapshots = await arrivalsOf(client, {
    kind: volumeSnapshots,
    namespace,
    count: way.strategy === 'snapshot' ? count : 0,
    signal,
    isThere: ({ status }) => status?.readyToUse === true,
    follow: async ({ metadata: { name } }) =>
      claimFrom(name, { apiGroup: volumeSnapshots.group, kind: volumeSnapshots.kind, name }),
  });
  const [from, begin] = [Date.now(), performance.now()];
  await drive(count, inFlight, async (index) => {
    const name = nameOf(index);
    if (way.strategy === 'csi-clone') await claimFrom(name, { kind: claims.kind, name: 'source' });
    else await cluster.api.post(snapshotsIn(namespace), snapshotOf(name));
    return 201;
  });
  await snapshots.all;
  const times = await bound.all;
  return { took: times.map((time) => time - begin), span: { from, to: Date.now() } };
}

const snapshotsIn = (namespace: string): string =>
  `/apis/snapshot.storage.k8s.io/v1/namespaces/${namespace}/volumesnapshots`;

function snapshotOf(name: string): object {
  return {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshot',
    metadata: { name },
    spec: { volumeSnapshotClassName: 'reflink', source: { persistentVolumeClaimName: 'source' } },
  };
}

/** What is wrong with the first and the last clone; all of them would be read for minutes. */
export async function wrongIn({ tenant, source }: Place, count: number): Promise<readonly string[]> {
  const bytes = await readFile(source);
  const names = [...new Set([nameOf(0), nameOf(count - 1)])];
  const wrong = await Promise.all(
    names.map(async (name) => {
      const same = (await readFile(await tenant.fileOf(name))).equals(bytes);
      return same ? [] : [`${name} does not hold the bytes of its source`];
    }),
  );
  return wrong.flat();
}

/** The next measurement finds an empty storage. */
export async function clear({ cluster }: ExecutionStage, places: readonly Place[]): Promise<void> {
  const namespaces = places.flatMap(({ golden, tenant }) => [golden.namespace, tenant.namespace]);
  for (const namespace of new Set(namespaces)) await cluster.api.remove(`/api/v1/namespaces/${namespace}`);
  const list = async (path: string): Promise<readonly KubeObject[]> =>
    (await cluster.api.get<{ items: readonly KubeObject[] }>(path)).items;
  await until(
    'the storage to be empty',
    async () => {
      const [volumes, contents] = await Promise.all([
        list('/api/v1/persistentvolumes'),
        list('/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents'),
      ]);
      return volumes.length + contents.length === 0;
    },
    { timeout: patience, interval: 500 },
  );
}
