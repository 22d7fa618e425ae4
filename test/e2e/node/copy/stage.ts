import { copyPodName } from '../../../../controller/children.ts';
import type { DataVolume } from '../../../../shared/api/datavolume.ts';
import { annotations, labels } from '../../../../shared/api/names.ts';
import type { Stored, VolumeMode } from '../../../../shared/api/objects.ts';
import type { Pod } from '../../../../shared/api/pod.ts';
import type { StampKeyFiles } from '../../../../shared/trust/keys.ts';
import { stampedClone } from '../../../support/build/clones.ts';
import { createClaim } from '../../../support/claims.ts';
import { type Cluster, startCluster, until } from '../../../support/cluster/index.ts';
import { type RunningController, startController } from '../../../support/controller.ts';
import { ensureImage } from '../../../support/image/index.ts';
import { runPod } from '../../../support/pods.ts';
import { Tenant } from '../../controller/tenant.ts';

/**
 * A cluster with two real nodes and drivers that know nothing of each other, two of them on one node alone, the image on its nodes, and the
 * real controller.
 */
export interface Stage {
  readonly cluster: Cluster;
  readonly controller: RunningController;
  readonly keys: StampKeyFiles;
  /** Of the copy pods. */
  readonly image: { readonly archive: string; readonly reference: string };
  tenant(prefix: string): Promise<Tenant>;
  close(): Promise<void>;
}

/** Copies that a node works on at the same time. */
export const perNode = 4;

export async function setStage(): Promise<Stage> {
  const image = await ensureImage();
  const without = ['CREATE_DELETE_SNAPSHOT', 'EXPAND_VOLUME'] as const;
  const drivers = [
    { name: 'reflink', isDefault: true },
    { name: 'other', without },
    { name: 'near', node: 'node-1', without },
    { name: 'far', node: 'node-2', without },
  ];
  const cluster = await startCluster({ tier: 'node', nodes: 2, name: 'copy', drivers });
  try {
    await cluster.importImage(image.archive);
    const args = [
      `--copy-image=${image.reference}`,
      '--copy-backoff=1s',
      '--copy-progress-interval=1s',
      '--copies-per-storage-class=0',
      `--copies-per-node=${perNode}`,
    ];
    const controller = await startController(cluster, { args: [...args, '--copy-retries=2', '--clones-per-source=0'] });
    const { keys } = controller;
    return {
      cluster,
      controller,
      keys,
      image,
      tenant: async (prefix) => Tenant.create(cluster, keys, prefix),
      close: async () => cluster.stop(),
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** Bytes of the images in the sources. */
export const imageBytes = 8 * 1024 ** 2;

/** Where a pod finds the image of a claim, and how it mounts that. */
const placeOf = (mode: VolumeMode) =>
  mode === 'Block' ? { mount: '/dev/data', image: '/dev/data' } : { mount: '/data', image: '/data/disk.img' };

/** As KubeVirt leaves it: an image of user 107, some of it data and the rest a hole. @returns its SHA-256. */
export async function writeImage(
  { cluster }: Stage,
  namespace: string,
  claim: string,
  mode: VolumeMode,
  spec: object = {},
): Promise<string> {
  const storage = mode === 'Block' ? '8Mi' : '32Mi';
  await createClaim(cluster, namespace, claim, { volumeMode: mode, resources: { requests: { storage } }, ...spec });
  const { mount, image } = placeOf(mode);
  const own = mode === 'Block' ? '' : `truncate -s ${imageBytes} ${image}; chown 107:107 ${image}; chmod 660 ${image}`;
  const script = `
    ${own}
    dd if=/dev/urandom of=${image} bs=1M count=3 seek=1 conv=notrunc 2>/dev/null
    dd if=/dev/urandom of=${image} bs=4k count=1 seek=2047 conv=notrunc,fsync 2>/dev/null
    sha256sum < ${image}
  `;
  return await sayOf(cluster, namespace, { name: `writes-${claim}`, script, claims: { [claim]: mount } });
}

export interface Found {
  /** SHA-256 of the image's first bytes, as many as the sources have. */
  readonly sum: string;
  /** Owner, group, mode and bytes of the file; of a device, that it is one. */
  readonly file: string;
}

/** What is in claims of one namespace, read by one pod. */
export async function readImages(
  { cluster }: Stage,
  namespace: string,
  wanted: readonly (readonly [claim: string, mode: VolumeMode])[],
): Promise<ReadonlyMap<string, Found>> {
  const places = wanted.map(([claim, mode]) => ({
    claim,
    mount: mode === 'Block' ? `/dev/${claim}` : `/data/${claim}`,
    image: mode === 'Block' ? `/dev/${claim}` : `/data/${claim}/disk.img`,
    about: mode === 'Block' ? () => 'echo device' : (image: string) => `stat -c '%u:%g %a %s' ${image}`,
  }));
  const script = places
    .map(({ image, about }) => `head -c ${imageBytes} ${image} | sha256sum\n${about(image)}`)
    .join('\n');
  const claims = Object.fromEntries(places.map(({ claim, mount }) => [claim, mount]));
  const name = `reads-${wanted[0]?.[0] ?? 'nothing'}`;
  const lines = (await sayOf(cluster, namespace, { name, script, claims })).split('\n');
  return new Map(places.map(({ claim }, at) => [claim, { sum: lines[2 * at] ?? '', file: lines[2 * at + 1] ?? '' }]));
}

/** The same of one claim. */
export async function readImage(stage: Stage, namespace: string, claim: string, mode: VolumeMode): Promise<Found> {
  const found = (await readImages(stage, namespace, [[claim, mode]])).get(claim);
  if (found === undefined) throw new Error(`nothing was read of ${claim}`);
  return found;
}

async function sayOf(cluster: Cluster, namespace: string, wish: Parameters<typeof runPod>[2]): Promise<string> {
  const { phase, logs } = await runPod(cluster, namespace, wish);
  await cluster.api.remove(`/api/v1/namespaces/${namespace}/pods/${wish.name}`);
  if (phase !== 'Succeeded') throw new Error(`pod ${wish.name}: ${logs}`);
  return logs.trim();
}

export const say = sayOf;

export interface Wish {
  readonly name: string;
  readonly from: Tenant;
  readonly source?: string;
  readonly kind?: 'PersistentVolumeClaim' | 'VolumeSnapshot';
  readonly mode?: VolumeMode;
  readonly storage?: string;
  readonly storageClassName?: string;
  readonly notes?: Readonly<Record<string, string>>;
  readonly spec?: Partial<DataVolume['spec']>;
}

/** Orders a copy, as admission would have let it through. */
export async function order({ keys }: Stage, into: Tenant, wish: Wish): Promise<void> {
  const { name, from, source = 'source', kind = 'PersistentVolumeClaim', mode = 'Filesystem' } = wish;
  const { storage = '32Mi', storageClassName = 'other', notes = {}, spec = {} } = wish;
  const volume = await stampedClone(keys, {
    namespace: into.namespace,
    name,
    source: { kind, namespace: from.namespace, name: source },
    strategy: 'copy',
    claim: { storageClassName, volumeMode: mode, resources: { requests: { storage } } },
  });
  const metadata = { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...notes } };
  await into.post({ ...volume, metadata, spec: { ...volume.spec, ...spec } });
}

/** Waits for the end of a clone. @throws Error with the status when it is another than success. */
export async function succeeds(into: Tenant, name: string): Promise<DataVolume> {
  const volume = await until(
    `DataVolume ${name} to come to its end`,
    async () => {
      const seen = await into.volume(name);
      return (seen.status?.phase === 'Succeeded' || seen.status?.phase === 'Failed') && seen;
    },
    { timeout: 300_000 },
  );
  if (volume.status?.phase !== 'Succeeded') throw new Error(`${name}: ${JSON.stringify(volume.status)}`);
  return volume;
}

/** The pod of a copy, once it is running and has copied something. */
export async function copyingIn({ cluster }: Stage, from: Tenant, into: Tenant, name: string): Promise<Stored<Pod>> {
  await until(`copy ${name} to come on`, async () => {
    const { status } = await into.volume(name);
    return status?.phase === 'CloneInProgress' && Number.parseFloat(status.progress ?? '') > 0;
  });
  return await cluster.api.get<Stored<Pod>>(
    from.path('pods', copyPodName((await into.volume(name)).metadata.uid ?? '')),
  );
}

/** As {@link copyingIn}, of a copy that is slow, which its next try is not. */
export async function slowlyCopyingIn(stage: Stage, from: Tenant, into: Tenant, name: string): Promise<Stored<Pod>> {
  const pod = await copyingIn(stage, from, into, name);
  await into.kubectl('annotate', 'datavolume', name, `${annotations.bandwidth}-`);
  return pod;
}

/** A pod that is going to write to a device as soon as a node takes it, which none does. */
export async function writerOf({ cluster }: Stage, tenant: Tenant, claim: string): Promise<void> {
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'writer' },
    spec: {
      nodeSelector: { 'clonegate.test/never': 'true' },
      containers: [
        { name: 'main', image: 'none.invalid/none', volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] },
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: claim } }],
    },
  };
  await cluster.api.post(tenant.path('pods'), manifest);
}

/** What is left of clones in a namespace, or of one of them, by kind and name. */
export async function leftIn(tenant: Tenant, owner?: DataVolume): Promise<string> {
  const ours = owner === undefined ? labels.ownerUid : `${labels.ownerUid}=${owner.metadata.uid}`;
  return tenant.kubectl(
    'get',
    'pods,persistentvolumeclaims',
    '-l',
    `${ours},velero.io/exclude-from-backup`,
    '-o',
    'name',
  );
}

export const slowly = { [annotations.bandwidth]: '1M' };

/** The most copies that one node was seen to work on before `end`. */
export async function mostOnANode({ cluster }: Stage, end: Promise<unknown>): Promise<number> {
  let [most, over] = [0, false];
  const ended = end.finally(() => {
    over = true;
  });
  await until(
    'copies to come to their end',
    async () => {
      const { items } = await cluster.api.get<{ items: readonly Stored<Pod>[] }>(
        '/api/v1/pods?labelSelector=clonegate.io/owner-uid',
      );
      const nodes = items.filter(isAtWork).map(({ spec }) => spec?.nodeName);
      most = Math.max(most, ...nodes.map((node) => nodes.filter((one) => one === node).length));
      return over;
    },
    { timeout: 600_000 },
  );
  await ended;
  return most;
}

function isAtWork({ metadata, spec, status }: Stored<Pod>): boolean {
  const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  return metadata.name.startsWith('clonegate-copy-') && spec?.nodeName !== undefined && !isOver;
}
