import { readFile } from 'node:fs/promises';
import type { CloneSource } from '../../../shared/api/datavolume.ts';
import { labels } from '../../../shared/api/names.ts';
import type { KubeObject, PersistentVolume, PersistentVolumeClaim } from '../../../shared/api/objects.ts';
import type { StampKeyFiles } from '../../../shared/trust/keys.ts';
import { type Cluster, until } from '../../support/cluster/index.ts';
import { type RunningController, startController } from '../../support/controller.ts';
import { bytesOf, digestOf, mebibyte, overwrite } from './disk.ts';
import { type Interposer, type Meddler, openInterposer } from './interposer.ts';
import type { Shape } from './shapes.ts';
import { Tenant } from './tenant.ts';

/**
 * A controller with two namespaces of its own and an interposer before the API server: in one namespace clones are made, sources are in
 * both. Several lanes work beside each other on one cluster and do not see each other's DataVolumes.
 */

const size = 8 * mebibyte;
const request = (bytes: number) => ({ resources: { requests: { storage: `${bytes / mebibyte}Mi` } } });
const snapshotRoot = '/apis/snapshot.storage.k8s.io/v1';

export class Lane {
  /** Where clones are made. */
  readonly home: Tenant;
  readonly abroad: Tenant;
  readonly #cluster: Cluster;
  readonly #interposer: Interposer;
  readonly #controllers: RunningController[] = [];
  readonly #keys: StampKeyFiles;
  #clones = 0;

  private constructor(cluster: Cluster, keys: StampKeyFiles, interposer: Interposer, home: Tenant, abroad: Tenant) {
    this.#cluster = cluster;
    this.#keys = keys;
    this.#interposer = interposer;
    this.home = home;
    this.abroad = abroad;
  }

  /** With a controller and sources. */
  static async open(cluster: Cluster, keys: StampKeyFiles, name: string): Promise<Lane> {
    const home = await Tenant.create(cluster, keys, `${name}-home`);
    const abroad = await Tenant.create(cluster, keys, `${name}-abroad`);
    const interposer = await openInterposer(cluster, { namespace: home.namespace });
    const lane = new Lane(cluster, keys, interposer, home, abroad);
    await lane.#mayElect();
    await Promise.all([lane.makeSource(home), lane.makeSource(abroad), lane.addController('first')]);
    return lane;
  }

  /** A replica more; resolves when it leads, or, for a second one, when it stands by. */
  async addController(name: string, args: readonly string[] = []): Promise<RunningController> {
    const controller = await startController(this.#cluster, {
      keys: this.#keys,
      name: `${this.home.namespace}-${name}`,
      through: (kubeconfig) => this.#interposer.kubeconfig(kubeconfig),
      standsBy: this.#controllers.length > 0,
      // The sweep would take the children of the other lanes' clones for orphans.
      args: [`--namespace=${this.home.namespace}`, '--sweep=off', ...args],
    });
    this.#controllers.push(controller);
    return controller;
  }

  get controller(): RunningController {
    const [first] = this.#controllers;
    if (first === undefined) throw new Error('the lane has no controller yet');
    return first;
  }

  set meddler(meddler: Meddler) {
    this.#interposer.meddler = meddler;
  }

  /** `kill -9`, and at once another one, which does not wait for the lease of the dead. */
  async revive(): Promise<void> {
    await this.controller.process.kill();
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${this.home.namespace}/leases`;
    await this.#cluster.api.remove(`${leases}/clonegate-controller`).catch(() => undefined);
    await this.controller.process.start();
  }

  async close(): Promise<void> {
    for (const { process } of this.#controllers) await process.kill();
    await this.#interposer.close();
  }

  /** The rights on its lease that the manifest gives in Clonegate's own namespace, here. */
  async #mayElect(): Promise<void> {
    const { namespace } = this.home;
    const root = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    await this.#cluster.api.post(`${root}/roles`, {
      metadata: { name: 'elect' },
      rules: [{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create', 'get', 'patch'] }],
    });
    await this.#cluster.api.post(`${root}/rolebindings`, {
      metadata: { name: 'elect' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'elect' },
      subjects: [{ kind: 'ServiceAccount', name: 'clonegate-controller', namespace: 'clonegate-system' }],
    });
  }

  /** A volume full of bytes, and a snapshot of it, both of the same name. */
  async makeSource(place: Tenant, name = 'source'): Promise<void> {
    await place.createClaim(name, { volumeMode: 'Block', ...request(size) });
    await overwrite(await place.fileOf(name), this.bytes);
    const path = `${snapshotRoot}/namespaces/${place.namespace}/volumesnapshots`;
    await this.#cluster.api.post(path, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata: { name },
      spec: { volumeSnapshotClassName: 'reflink', source: { persistentVolumeClaimName: name } },
    });
    await until(`snapshot ${name} to be ready`, async () => {
      const { status } = await this.#cluster.api.get<{ status?: { readyToUse?: boolean } }>(`${path}/${name}`);
      return status?.readyToUse;
    });
  }

  /** What the sources hold. */
  get bytes(): Buffer {
    return bytesOf(this.home.namespace, size);
  }

  sourceOf(shape: Shape, name = 'source'): CloneSource {
    return { kind: shape.from, namespace: this.placeOf(shape).namespace, name };
  }

  /** Where the source is. */
  placeOf({ elsewhere }: Shape): Tenant {
    return elsewhere ? this.abroad : this.home;
  }

  /** @returns the name of the DataVolume. */
  async begin(shape: Shape, source?: string): Promise<string> {
    this.#clones += 1;
    const name = `${shape.name}-${this.#clones}`;
    await this.home.clone(name, {
      source: this.sourceOf(shape, source),
      strategy: shape.strategy,
      claim: { storageClassName: 'reflink', volumeMode: 'Block', ...request(shape.larger ? 2 * size : size) },
    });
    return name;
  }

  /** Waits for the end and looks at everything that must hold then. @throws Error that says what does not. */
  async expectDone(shape: Shape, name: string): Promise<void> {
    await this.home.reaches(name, 'Succeeded', undefined, { timeout: 60_000 });
    await until(
      'the finalizer to be gone',
      async () => (await this.home.volume(name)).metadata.finalizers === undefined,
    );
    const bytes = await readFile(await this.home.fileOf(name));
    if (bytes.length !== (shape.larger ? 2 * size : size)) throw new Error(`the clone has ${bytes.length} bytes`);
    if (digestOf(bytes.subarray(0, size)) !== digestOf(this.bytes))
      throw new Error('the bytes are not those of the source');
    if (bytes.subarray(size).some((byte) => byte !== 0))
      throw new Error('behind the bytes of the source there are others');
    await this.#expectSettled(name);
    await this.expectClean([name]);
  }

  /** Its volume is as its class wants it, and nothing of ours is on it. */
  async #expectSettled(name: string): Promise<void> {
    const { spec } = await this.home.claim(name);
    const volume = await this.#cluster.api.get<PersistentVolume>(`/api/v1/persistentvolumes/${spec?.volumeName ?? ''}`);
    const { persistentVolumeReclaimPolicy: policy } = volume.spec ?? {};
    if (policy !== 'Delete') throw new Error(`the volume's reclaim policy is ${policy}`);
    if (JSON.stringify(volume.metadata).includes('clonegate.io/')) throw new Error('the volume carries marks of ours');
  }

  /** Nothing is left but the sources and these clones, and the sources are as they were made. */
  async expectClean(clones: readonly string[] = []): Promise<void> {
    const kept = new Set(clones);
    await until(
      'what clones make on their way to be gone',
      async () => {
        const left = (await this.#everything()).filter(({ metadata: { name = '' } }) => !kept.has(name));
        if (left.length > 0) throw new Error(`there are ${left.map(({ metadata }) => metadata.name).join(', ')}`);
        return true;
      },
      { timeout: 30_000 },
    );
    for (const place of [this.home, this.abroad]) {
      if (digestOf(await readFile(await place.fileOf('source'))) !== digestOf(this.bytes))
        throw new Error('the source has changed');
      const { metadata } = await place.claim('source');
      if (JSON.stringify(metadata).includes('clonegate.io/')) throw new Error('the source carries marks of ours');
    }
  }

  /** All that a clone may have made in both namespaces, and volumes on their way between them. */
  async #everything(): Promise<readonly KubeObject[]> {
    const list = async <T extends KubeObject>(path: string): Promise<readonly T[]> =>
      (await this.#cluster.api.get<{ items: readonly T[] }>(path)).items;
    const places = [this.home.namespace, this.abroad.namespace];
    const inPlaces = await Promise.all(
      places.flatMap((namespace) => [
        list<PersistentVolumeClaim>(`/api/v1/namespaces/${namespace}/persistentvolumeclaims`),
        list(`/api/v1/namespaces/${namespace}/pods`),
        list(`${snapshotRoot}/namespaces/${namespace}/volumesnapshots`),
      ]),
    );
    const volumes = await list<PersistentVolume>(
      `/api/v1/persistentvolumes?labelSelector=${encodeURIComponent(labels.ownerUid)}`,
    );
    const ours = volumes.filter(({ spec }) => places.includes(spec?.claimRef?.namespace ?? ''));
    return [...inPlaces.flat().filter(({ metadata: { name = '' } }) => !name.startsWith('source')), ...ours];
  }

  async remove(name: string): Promise<void> {
    await this.#cluster.api.remove(this.home.path('datavolumes', name));
  }

  async isGone(name: string): Promise<boolean> {
    return this.home.volume(name).then(
      () => false,
      () => true,
    );
  }
}
