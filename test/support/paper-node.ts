import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PersistentVolumeClaim } from '../../shared/api/objects.ts';
import type { Pod } from '../../shared/api/pod.ts';
import { ensureAssets } from './cluster/assets.ts';
import { socketOf } from './cluster/driver.ts';
import { shortNameOf } from './cluster/drivers.ts';
import { type ClusterAccess, nodeName } from './cluster/index.ts';
import { createCsiClient } from './csi/client.ts';

/**
 * Stands in for the kubelet of the node that exists on paper only. For pods that are scheduled to it, it does what a clone waits for: it
 * stages a volume whose file system has to grow and lets the driver's node service grow it, says so in the claim's status, calls the pod
 * Running, and lets go of a pod that is deleted. No container runs and no pod mounts anything. The real node comes with the strategy
 * `copy`, which cannot do without one.
 */
export interface PaperNode {
  /** How many volumes it has let grow. */
  readonly grown: number;
  /** What went wrong last. */
  readonly lastError: unknown;
  stop(): Promise<void>;
}

interface Scheduled extends Pod {
  readonly spec?: NonNullable<Pod['spec']> & { readonly nodeName?: string };
}

interface Volume {
  readonly spec: {
    readonly capacity: Readonly<Record<string, string>>;
    readonly volumeMode?: string;
    readonly csi?: { readonly driver: string; readonly volumeHandle: string; readonly fsType?: string };
  };
}

/** Milliseconds between two looks. A kubelet watches, but for a stand-in a look is enough. */
const pause = 100;

/** @param concerns whether it looks after the pods of this namespace; others may have a node of their own in the same cluster. */
export async function startPaperNode(
  cluster: ClusterAccess,
  concerns: (namespace: string) => boolean = () => true,
): Promise<PaperNode> {
  const { csiProto } = await ensureAssets();
  const folder = await mkdtemp(join(cluster.address.folder, 'node-'));
  const node = new Node(cluster, csiProto, folder, concerns);
  const stopping = new AbortController();
  const running = node.run(stopping.signal);
  return {
    get grown() {
      return node.grown.size;
    },
    get lastError() {
      return node.lastError;
    },
    stop: async () => {
      stopping.abort();
      await running;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

class Node {
  readonly #cluster: ClusterAccess;
  readonly #proto: string;
  readonly #folder: string;
  readonly #concerns: (namespace: string) => boolean;
  /** Names of volumes: one that could not be told of in time is grown again. */
  readonly grown = new Set<string>();
  lastError: unknown;

  constructor(cluster: ClusterAccess, proto: string, folder: string, concerns: (namespace: string) => boolean) {
    this.#cluster = cluster;
    this.#concerns = concerns;
    this.#proto = proto;
    this.#folder = folder;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        // A node tries again; what keeps failing shows as a claim that does not grow.
        this.lastError = error;
      }
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const selector = `fieldSelector=spec.nodeName%3D${nodeName}`;
    const { items } = await this.#cluster.api.get<{ items: readonly Scheduled[] }>(`/api/v1/pods?${selector}`);
    for (const pod of items.filter(({ metadata }) => this.#concerns(metadata.namespace ?? ''))) {
      if (pod.metadata.deletionTimestamp === undefined) await this.#keep(pod);
      else await this.#cluster.api.remove(pathOf(pod), { gracePeriodSeconds: 0 });
    }
  }

  async #keep(pod: Scheduled): Promise<void> {
    for (const { persistentVolumeClaim } of pod.spec?.volumes ?? []) {
      if (persistentVolumeClaim !== undefined)
        await this.#mount(pod.metadata.namespace ?? '', persistentVolumeClaim.claimName);
    }
    if (pod.status?.phase === 'Pending')
      await this.#cluster.api.merge(`${pathOf(pod)}/status`, { status: { phase: 'Running' } });
  }

  async #mount(namespace: string, name: string): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`;
    const claim = await this.#cluster.api.get<PersistentVolumeClaim>(path);
    const { conditions = [] } = claim.status ?? {};
    const volumeName = claim.spec?.volumeName;
    if (volumeName === undefined || !conditions.some(({ type }) => type === 'FileSystemResizePending')) return;
    const { spec } = await this.#cluster.api.get<Volume>(`/api/v1/persistentvolumes/${volumeName}`);
    await this.#expand(spec);
    this.grown.add(volumeName);
    await this.#cluster.api.merge(`${path}/status`, {
      status: {
        capacity: spec.capacity,
        conditions: conditions.filter(({ type }) => type !== 'FileSystemResizePending'),
        allocatedResources: null,
        allocatedResourceStatuses: null,
      },
    });
  }

  /** As a kubelet does when a pod begins: staged, grown, and unstaged again, since nothing is going to use it. */
  async #expand({ csi, volumeMode }: Volume['spec']): Promise<void> {
    const driver = csi === undefined ? undefined : shortNameOf(csi.driver);
    if (csi === undefined || driver === undefined) return;
    const client = await createCsiClient(socketOf(this.#cluster.address.folder, { name: driver }), this.#proto);
    const stagingTargetPath = join(this.#folder, csi.volumeHandle);
    const access = volumeMode === 'Block' ? { block: {} } : { mount: { fsType: csi.fsType ?? 'ext4', mountFlags: [] } };
    const volumeCapability = { ...access, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
    const volume = { volumeId: csi.volumeHandle, stagingTargetPath, volumeCapability };
    try {
      await mkdir(stagingTargetPath, { recursive: true });
      await client.call('Node', 'NodeStageVolume', volume);
      await client.call('Node', 'NodeExpandVolume', { ...volume, volumePath: stagingTargetPath });
    } finally {
      await client.call('Node', 'NodeUnstageVolume', volume);
      client.close();
    }
  }
}

function pathOf({ metadata: { namespace = '', name = '' } }: Pod): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}
