import { annotations, labels } from '../../../shared/api/names.ts';
import {
  controllerOf,
  type KubeObject,
  keyOf,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Stored,
  type VolumeSnapshot,
} from '../../../shared/api/objects.ts';
import type { Pod } from '../../../shared/api/pod.ts';
import { formatQuantity, parseQuantity } from '../../../shared/api/quantity.ts';
import {
  claims,
  dataVolumes,
  networkPolicies,
  persistentVolumes,
  pods,
  type Resource,
  secrets,
  volumeSnapshotContents,
  volumeSnapshots,
} from '../../../shared/kube/resource.ts';
import { MemoryApi } from '../memory-client.ts';

/** What is in a volume that was made from nothing. */
const blank = 'nothing';
/** The one that there is. */
const driver = 'csi.example.com';

/**
 * The other programs of a cluster, as far as clones have to do with them, each as one look at all objects: small, and true to what the
 * real ones do with volumes, claims and snapshots. What they are true to was tried on the real ones (test/e2e/controller).
 */
export class SimulatedStorage {
  readonly api = new MemoryApi();
  /** What is in a volume or a snapshot, by its name or `namespace/name`. */
  readonly contents = new Map<string, string>();
  /** Volumes that came to hold something by cloning, restoring or copying, the removed ones too. */
  readonly made: string[] = [];
  /** How many copies fail from now on. */
  copyFailures = 0;
  /** Why they do. */
  copyFailure = { reason: 'CopyIOError', message: 'read failed at 42' };
  /** No node reaches the volumes that there were and those that are made. */
  apart = false;
  readonly #late: ReadonlySet<string>;
  readonly #client = this.api.client();

  /** @param late StorageClasses that wait for the first consumer. */
  constructor(late: readonly string[]) {
    this.#late = new Set(late);
  }

  readonly programs = {
    provisioner: async (): Promise<void> => this.#each(claims, async (claim) => this.#provision(claim)),
    binder: async (): Promise<void> => {
      await this.#each(claims, async (claim) => this.#bind(claim));
      await this.#each(persistentVolumes, async (volume) => this.#reclaim(volume));
    },
    snapshotter: async (): Promise<void> => this.#each(volumeSnapshots, async (snapshot) => this.#snapshot(snapshot)),
    resizer: async (): Promise<void> => this.#each(claims, async (claim) => this.#resize(claim)),
    node: async (): Promise<void> => this.#each(pods, async (pod) => this.#run(pod.metadata.namespace ?? '', pod)),
    collector: async (): Promise<void> => {
      this.#finalize();
      this.#collect();
    },
  };

  async round(): Promise<void> {
    for (const program of Object.values(this.programs)) await program();
  }

  /** As with the real API server: what has a finalizer stays until it has none. */
  async deleteVolume(namespace: string, name: string): Promise<void> {
    const found = this.api.all(dataVolumes).find(({ metadata }) => metadata.name === name);
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
    const deletionTimestamp = '2026-05-06T07:08:10Z';
    await this.#client.mergePatch(dataVolumes, { namespace, name }, { metadata: { deletionTimestamp } });
    this.#finalize();
  }

  async #each<T extends KubeObject>(kind: Resource<T>, look: (object: Stored<T>) => Promise<void>): Promise<void> {
    for (const object of this.api.all(kind)) await look(object);
  }

  async #patch<T extends KubeObject>(kind: Resource<T>, { metadata }: Stored<T>, patch: object): Promise<void> {
    const { namespace, name } = metadata;
    await this.#client.mergePatch(kind, namespace === undefined ? { name } : { namespace, name }, patch);
  }

  async #provision(claim: Stored<PersistentVolumeClaim>): Promise<void> {
    const { spec, metadata } = claim;
    const late = this.#late.has(spec?.storageClassName ?? '');
    if (spec?.volumeName !== undefined || (late && metadata.annotations?.[annotations.selectedNode] === undefined))
      return;
    const content = this.#contentFor(claim);
    if (content === undefined) return;
    const name = `pv-${metadata.uid}`;
    if (this.contents.has(name)) return;
    const storage = spec?.resources?.requests?.['storage'] ?? '0';
    await this.#client.create(persistentVolumes, {
      metadata: { name },
      spec: { claimRef: referenceTo(claim), capacity: { storage }, persistentVolumeReclaimPolicy: 'Delete' },
    });
    this.contents.set(name, content);
    if (content !== blank) this.made.push(name);
  }

  #contentFor({ spec, metadata: { namespace = '' } }: PersistentVolumeClaim): string | undefined {
    const { kind, name = '' } = spec?.dataSourceRef ?? {};
    if (kind === undefined) return blank;
    if (kind === 'VolumeSnapshot') {
      const snapshot = this.api
        .all(volumeSnapshots)
        .find(({ metadata }) => keyOf(metadata) === keyOf({ namespace, name }));
      return snapshot?.status?.readyToUse === true ? this.contents.get(keyOf({ namespace, name })) : undefined;
    }
    if (kind !== 'PersistentVolumeClaim') return undefined;
    const source = this.api.all(claims).find(({ metadata }) => keyOf(metadata) === keyOf({ namespace, name }));
    return this.contents.get(source?.spec?.volumeName ?? '');
  }

  async #bind(claim: Stored<PersistentVolumeClaim>): Promise<void> {
    const { spec, status, metadata } = claim;
    const volumes = this.api.all(persistentVolumes);
    if (spec?.volumeName !== undefined) {
      const own = volumes.find((volume) => volume.metadata.name === spec.volumeName);
      if (own?.spec?.claimRef?.uid !== metadata.uid && status?.phase !== 'Lost')
        await this.#patch(claims, claim, { status: { phase: 'Lost' } });
      return;
    }
    const volume = volumes.find((candidate) => candidate.spec?.claimRef?.uid === metadata.uid);
    if (volume === undefined || sizeOf(volume.spec?.capacity) < sizeOf(spec?.resources?.requests)) return;
    const { capacity } = volume.spec ?? {};
    await this.#patch(claims, claim, {
      spec: { volumeName: volume.metadata.name },
      status: { phase: 'Bound', capacity },
    });
  }

  async #reclaim(volume: Stored<PersistentVolume>): Promise<void> {
    const { claimRef, persistentVolumeReclaimPolicy } = volume.spec ?? {};
    if (this.api.all(claims).some(({ metadata }) => metadata.uid === claimRef?.uid)) return;
    if (persistentVolumeReclaimPolicy !== 'Delete') return;
    this.api.remove(persistentVolumes, { name: volume.metadata.name });
    this.contents.delete(volume.metadata.name);
  }

  async #snapshot(snapshot: Stored<VolumeSnapshot>): Promise<void> {
    const key = keyOf(snapshot.metadata);
    if (snapshot.status?.readyToUse === true || snapshot.status?.error !== undefined) return;
    const { namespace = '' } = snapshot.metadata;
    const name = snapshot.spec?.source?.persistentVolumeClaimName ?? '';
    const source = this.api.all(claims).find(({ metadata }) => keyOf(metadata) === keyOf({ namespace, name }));
    const content = this.contents.get(source?.spec?.volumeName ?? '');
    if (content === undefined) return;
    this.contents.set(key, content);
    const { storage: restoreSize } = source?.status?.capacity ?? {};
    const status = { readyToUse: true, restoreSize, boundVolumeSnapshotContentName: `content-${key}` };
    await this.#client.mergePatch(volumeSnapshots, { namespace, name: snapshot.metadata.name }, { status });
    const volumeSnapshotRef = { namespace, name: snapshot.metadata.name, uid: snapshot.metadata.uid };
    const spec = { driver, sourceVolumeMode: source?.spec?.volumeMode ?? 'Filesystem', volumeSnapshotRef };
    const contents = { name: status.boundVolumeSnapshotContentName };
    this.api.remove(volumeSnapshotContents, contents);
    await this.#client.create(volumeSnapshotContents, { metadata: contents, spec });
  }

  async #resize(claim: Stored<PersistentVolumeClaim>): Promise<void> {
    const { spec, status } = claim;
    const request = sizeOf(spec?.resources?.requests);
    if (status?.phase !== 'Bound' || sizeOf(status.capacity) >= request) return;
    const capacity = { storage: formatQuantity(request) };
    const volume = this.api.all(persistentVolumes).find(({ metadata }) => metadata.name === spec?.volumeName);
    if (volume !== undefined) await this.#patch(persistentVolumes, volume, { spec: { capacity } });
    const pending = [{ type: 'FileSystemResizePending', status: 'True' }];
    await this.#patch(claims, claim, { status: spec?.volumeMode === 'Block' ? { capacity } : { conditions: pending } });
  }

  /** Scheduler and kubelet in one. */
  async #run(namespace: string, pod: Stored<Pod>): Promise<void> {
    const isCopy = pod.spec?.containers?.[0]?.name === 'copy';
    const found = this.#claimsOf(namespace, pod);
    if (isCopy && this.apart && found.length > 1) return this.#refuse(pod);
    for (const claim of found) await this.#mount(claim);
    if (!isCopy || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return;
    const [first, second] = found;
    if (first === undefined || found.some(({ status }) => status?.phase !== 'Bound')) return;
    const role = pod.metadata.labels?.[labels.copyRole];
    if (role === 'export') return this.#serve(pod);
    const from = role === 'import' ? this.#exported(namespace, pod) : first;
    if (from === undefined) return this.#end(pod, { reason: 'CopyPeerUnreachable', message: 'no answer' });
    await this.#copy(pod, from, second ?? first);
  }

  #claimsOf(namespace: string, pod: Stored<Pod>): readonly Stored<PersistentVolumeClaim>[] {
    const names = (pod.spec?.volumes ?? []).flatMap(({ persistentVolumeClaim: use }) => use?.claimName ?? []);
    return names.flatMap((name) =>
      this.api.all(claims).filter(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
    );
  }

  async #refuse(pod: Stored<Pod>): Promise<void> {
    if (pod.status?.conditions !== undefined) return;
    const message = "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.";
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
    await this.#patch(pods, pod, { status: { phase: 'Pending', conditions: [condition] } });
  }

  async #serve(pod: Stored<Pod>): Promise<void> {
    if (pod.status?.phase === 'Running') return;
    const containerStatuses = [{ name: 'copy', state: { running: {} } }];
    await this.#patch(pods, pod, { status: { phase: 'Running', podIP: '10.0.0.1', containerStatuses } });
  }

  /** What an import pod gets to read: with the key of both, and when it is let through to who serves. */
  #exported(namespace: string, pod: Stored<Pod>): Stored<PersistentVolumeClaim> | undefined {
    const keyOfPod = ({ spec }: Stored<Pod>): string | undefined =>
      (spec?.volumes ?? []).find(({ secret }) => secret !== undefined)?.secret?.secretName;
    const peer = this.api
      .all(pods)
      .find((other) => other.metadata.labels?.[labels.copyRole] === 'export' && keyOfPod(other) === keyOfPod(pod));
    const key = this.api.all(secrets).find(({ metadata }) => metadata.name === keyOfPod(pod));
    const isOpen = this.api.all(networkPolicies).length === 2 && key?.data?.['keys.psk'] !== undefined;
    return peer?.status?.phase === 'Running' && isOpen ? this.#claimsOf(namespace, peer)[0] : undefined;
  }

  /** At the first look it begins, at the second it is done. */
  async #copy(pod: Stored<Pod>, from: Stored<PersistentVolumeClaim>, to: Stored<PersistentVolumeClaim>): Promise<void> {
    const { volumeName = '' } = to.spec ?? {};
    if (pod.status?.phase !== 'Running') {
      this.contents.set(volumeName, 'half of it');
      const containerStatuses = [{ name: 'copy', state: { running: {} } }];
      await this.#patch(pods, pod, { status: { phase: 'Running', containerStatuses } });
      return;
    }
    if (this.copyFailures > 0) {
      this.copyFailures -= 1;
      return this.#end(pod, this.copyFailure);
    }
    this.contents.set(volumeName, this.contents.get(from.spec?.volumeName ?? '') ?? '');
    this.made.push(volumeName);
    await this.#end(pod, undefined);
  }

  async #end(pod: Stored<Pod>, failure: { readonly reason: string; readonly message: string } | undefined) {
    const result =
      failure === undefined
        ? { outcome: 'succeeded', bytes: '1073741824', seconds: 2 }
        : { outcome: 'failed', retry: true, ...failure };
    const containerStatuses = [{ name: 'copy', state: { terminated: { message: JSON.stringify(result) } } }];
    const phase = failure === undefined ? 'Succeeded' : 'Failed';
    await this.#patch(pods, pod, { status: { phase, containerStatuses } });
  }

  async #mount(claim: Stored<PersistentVolumeClaim>): Promise<void> {
    const { spec, status, metadata } = claim;
    if (spec?.volumeName === undefined) {
      const chosen = metadata.annotations?.[annotations.selectedNode] !== undefined;
      if (!chosen && this.#late.has(spec?.storageClassName ?? ''))
        await this.#patch(claims, claim, { metadata: { annotations: { [annotations.selectedNode]: 'node-1' } } });
      return;
    }
    if ((status?.conditions ?? []).length === 0) return;
    const { storage } = spec.resources?.requests ?? {};
    await this.#patch(claims, claim, { status: { capacity: { storage }, conditions: [] } });
  }

  #finalize(): void {
    for (const { metadata } of this.api.all(dataVolumes)) {
      if (metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0)
        this.api.remove(dataVolumes, { namespace: metadata.namespace ?? '', name: metadata.name });
    }
  }

  #collect(): void {
    const living = new Set(this.api.all(dataVolumes).map(({ metadata }) => metadata.uid));
    for (const kind of [claims, volumeSnapshots, pods] as readonly Resource<KubeObject>[]) {
      for (const object of this.api.all(kind)) {
        const owner = controllerOf(object);
        if (owner === undefined || living.has(owner.uid)) continue;
        this.api.remove(kind, { namespace: object.metadata.namespace ?? '', name: object.metadata.name });
      }
    }
    const held = new Set(this.api.all(claims).map(({ metadata }) => metadata.uid));
    for (const kind of [secrets, networkPolicies] as readonly Resource<KubeObject>[]) {
      for (const { metadata } of this.api.all(kind)) {
        if (metadata.ownerReferences?.some(({ uid }) => held.has(uid)) !== true)
          this.api.remove(kind, { namespace: metadata.namespace ?? '', name: metadata.name });
      }
    }
    const snapshots = new Set(this.api.all(volumeSnapshots).map(({ metadata }) => keyOf(metadata)));
    for (const key of this.contents.keys()) if (key.includes('/') && !snapshots.has(key)) this.contents.delete(key);
  }
}

function referenceTo({ metadata: { namespace = '', name, uid } }: Stored<KubeObject>) {
  return { namespace, name, uid };
}

function sizeOf(amounts: Readonly<Record<string, string>> | undefined): bigint {
  return parseQuantity(amounts?.['storage'] ?? '0');
}
