import type { CloneSource, DataVolume } from '../../../../shared/api/datavolume.ts';
import { annotations } from '../../../../shared/api/names.ts';
import type { KubeObject } from '../../../../shared/api/objects.ts';
import { generateStampKeys, type StampKeyFiles } from '../../../../shared/trust/keys.ts';
import { type CloneOptions, stampedClone } from '../../../support/build/clones.ts';
import { type ClusterAccess, until } from '../../../support/cluster/index.ts';
import {
  type ControllerOptions,
  installController,
  type RunningController,
  startController,
} from '../../../support/controller.ts';
import { type PaperNode, startPaperNode } from '../../../support/paper-node.ts';
import { bytesOf, fileSystemWith, mebibyte, overwrite } from '../disk.ts';
import { Tenant } from '../tenant.ts';
import { type Interposer, openInterposer } from './interposer.ts';
import type { Shape } from './shapes.ts';
import { type Content, isReady, keyOf, kindOf, pathOf, type Source, snapshotOf, snapshots } from './sources.ts';
import { Trail } from './trail.ts';

/** A cluster with a controller behind an interposer, and two namespaces with sources in both; clones are made in one of them. */

export interface Clone {
  /** Of the DataVolume. */
  readonly name: string;
  readonly shape: Shape;
  readonly source: CloneSource;
  /** Those that were planned together have the same. */
  readonly batch: string;
  readonly alone: boolean;
}

export interface CloneRequest {
  readonly shape: Shape;
  /** Has a source that no other clone has. */
  readonly ownSource?: boolean;
  /** Shares no snapshot with others of its source, and so makes every write that there is. */
  readonly alone?: boolean;
}

/** For a machine that has other things to do as well: a leader that cannot renew in time ends. */
export const patient = ['--lease-duration=60s', '--renew-deadline=50s'] as const;

/** Bytes that a clone of the shape has in the end. */
export const sizeOf = ({ full }: Shape): number => (full ? 16 * mebibyte : 2 * mebibyte);

export class Stage {
  readonly cluster: ClusterAccess;
  readonly keys: StampKeyFiles;
  /** Where clones are made. */
  readonly home: Tenant;
  readonly abroad: Tenant;
  readonly trail = new Trail();
  readonly interposer: Interposer;
  readonly contents: ReadonlyMap<string, Content>;
  /** Those whose DataVolume has not been deleted, and so whatever there may be in the end. */
  readonly clones = new Map<string, Clone>();
  /** Names of sources that were deleted. */
  readonly removed = new Set<string>();
  /** All that there is of this stage is in them. */
  readonly #namespaces = new Set<string>();
  #node: PaperNode | undefined;
  #controller: RunningController | undefined;
  #count = 0;

  private constructor(
    cluster: ClusterAccess,
    keys: StampKeyFiles,
    places: readonly [Tenant, Tenant],
    interposer: Interposer,
    contents: ReadonlyMap<string, Content>,
  ) {
    this.cluster = cluster;
    this.keys = keys;
    [this.home, this.abroad] = places;
    this.interposer = interposer;
    this.contents = contents;
    for (const { namespace } of places) this.#namespaces.add(namespace);
  }

  /** With sources, without a controller. */
  static async open(cluster: ClusterAccess): Promise<Stage> {
    const keys = await generateStampKeys();
    await installController(cluster);
    const places = [await Tenant.create(cluster, keys, 'home'), await Tenant.create(cluster, keys, 'abroad')] as const;
    const payload = bytesOf('payload', mebibyte);
    const contents = new Map<string, Content>([
      ['block', { mode: 'Block', bytes: bytesOf('block', 2 * mebibyte) }],
      ['files', { mode: 'Filesystem', bytes: await fileSystemWith(payload, 8 * mebibyte), payload }],
    ]);
    const stage = new Stage(cluster, keys, places, await openInterposer(cluster), contents);
    stage.#node = await startPaperNode(cluster, (namespace) => stage.isHere(namespace));
    await Promise.all(
      places.flatMap((place) => [...contents.keys()].map(async (kind) => stage.makeSource(place, kind))),
    );
    return stage;
  }

  async close(): Promise<void> {
    await this.#node?.stop();
    await this.#controller?.process.kill();
    await this.#takeLease();
    await this.interposer.close();
  }

  isHere(namespace: string | undefined): boolean {
    return namespace !== undefined && this.#namespaces.has(namespace);
  }

  /** Another namespace with tenants' rights. */
  async addPlace(prefix: string): Promise<Tenant> {
    const place = await Tenant.create(this.cluster, this.keys, prefix);
    this.#namespaces.add(place.namespace);
    return place;
  }

  get controller(): RunningController {
    if (this.#controller === undefined) throw new Error('no controller was started yet');
    return this.#controller;
  }

  /** With no limit to what it does at a time. It does not wait for the lease of one that was killed. */
  async startController(
    args: readonly string[] = [],
    more: Pick<ControllerOptions, 'preload' | 'env'> = {},
  ): Promise<void> {
    await this.#takeLease();
    this.#controller = await startController(this.cluster, {
      ...more,
      keys: this.keys,
      through: this.interposer.through,
      args: ['--workers=16', '--clones-per-source=0', '--clones-per-storage-class=0', ...args],
    });
  }

  /** `kill -9`, and at once another one, which does not wait for the lease of the dead. */
  async revive(): Promise<void> {
    await this.controller.process.kill();
    await this.#takeLease();
    await this.controller.process.start();
  }

  async #takeLease(): Promise<void> {
    const leases = '/apis/coordination.k8s.io/v1/namespaces/clonegate-system/leases';
    const all = await this.list(leases);
    await Promise.all(all.map(async ({ metadata }) => this.cluster.api.remove(`${leases}/${metadata.name}`)));
  }

  /** The DataVolumes are not there yet, but their sources are. */
  async plan(requests: readonly CloneRequest[]): Promise<readonly Clone[]> {
    this.#count += 1;
    const batch = `batch-${this.#count}`;
    const clones = await Promise.all(
      requests.map(async ({ shape, ownSource = false, alone = false }) => {
        this.#count += 1;
        const name = `clone-${this.#count}`;
        const source = { kind: shape.from, namespace: this.placeOf(shape).namespace, name: kindOf(shape) };
        if (!ownSource) return { name, shape, source, batch, alone };
        const own = { ...source, name: `of-${name}` };
        await this.#copySource(own, source.name);
        return { name, shape, source: own, batch, alone };
      }),
    );
    for (const { name, source } of clones)
      this.trail.begin(name, ...(this.contents.has(source.name) ? [] : [source.name]));
    await this.#sourcesReady(clones);
    return clones;
  }

  async begin(clones: readonly Clone[], options: Partial<CloneOptions> = {}): Promise<void> {
    await Promise.all(clones.map(async (clone) => this.#begin(clone, options)));
  }

  async #begin(clone: Clone, options: Partial<CloneOptions>): Promise<void> {
    const { name, shape, source, batch, alone } = clone;
    const claim = {
      storageClassName: shape.full ? 'reflink-wffc' : 'reflink',
      volumeMode: this.contentOf(shape).mode,
      resources: { requests: { storage: `${sizeOf(shape) / mebibyte}Mi` } },
    };
    const { namespace } = this.home;
    const asked = { namespace, name, source, strategy: shape.strategy, claim, labels: { batch }, ...options };
    const volume = await stampedClone(this.keys, asked);
    const more = {
      ...(shape.full ? { [annotations.bindImmediately]: '' } : {}),
      ...(alone ? { [annotations.shareSnapshot]: 'false' } : {}),
    };
    this.clones.set(name, clone);
    await this.home.post({
      ...volume,
      metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...more } },
    });
  }

  async remove({ name }: Clone): Promise<void> {
    this.clones.delete(name);
    await this.cluster.api.remove(this.home.path('datavolumes', name));
  }

  async removeSource({ source }: Clone): Promise<void> {
    this.removed.add(source.name);
    await this.cluster.api.remove(pathOf(source));
  }

  /** By name: all, or those that were planned together with some. */
  async volumes([first]: readonly Clone[] = []): Promise<ReadonlyMap<string, DataVolume>> {
    const some = first === undefined ? '' : `?labelSelector=batch%3D${first.batch}`;
    const all = await this.list<DataVolume>(`${this.home.path('datavolumes')}${some}`);
    return new Map(all.map((volume) => [volume.metadata.name ?? '', volume]));
  }

  async list<T extends KubeObject>(path: string): Promise<readonly T[]> {
    return (await this.cluster.api.get<{ items: readonly T[] }>(path)).items;
  }

  /** Where the source is. */
  placeOf({ elsewhere }: Shape): Tenant {
    return elsewhere ? this.abroad : this.home;
  }

  contentOf(shape: Shape): Content {
    const content = this.contents.get(kindOf(shape));
    if (content === undefined) throw new Error(`nothing is known of what a source of ${shape.name} holds`);
    return content;
  }

  /** A claim and a snapshot of it, both named by what they hold. */
  async makeSource(place: Tenant, kind: string): Promise<void> {
    const { mode = 'Block', bytes = Buffer.alloc(0) } = this.contents.get(kind) ?? {};
    const resources = { requests: { storage: `${bytes.length / mebibyte}Mi` } };
    await place.createClaim(kind, { volumeMode: mode, resources });
    await overwrite(await place.fileOf(kind), bytes);
    const source: CloneSource = { kind: 'VolumeSnapshot', namespace: place.namespace, name: kind };
    await this.#copySource(source, kind);
    await until(`snapshot ${kind} to be ready`, async () => isReady(await this.cluster.api.get(pathOf(source))));
  }

  /** As the storage copies it, so that nothing has to be written into it. */
  async #copySource({ kind, namespace, name }: CloneSource, from: string): Promise<void> {
    if (kind === 'VolumeSnapshot') {
      const object = snapshotOf(name, from);
      await this.cluster.api.post(`${snapshots}/namespaces/${namespace}/volumesnapshots`, object);
      return;
    }
    const { mode, bytes } = this.contents.get(from) ?? { mode: 'Block', bytes: Buffer.alloc(0) };
    const place = namespace === this.home.namespace ? this.home : this.abroad;
    await place.createClaim(name, {
      volumeMode: mode,
      resources: { requests: { storage: `${bytes.length / mebibyte}Mi` } },
      dataSource: { kind: 'PersistentVolumeClaim', name: from },
    });
  }

  async #sourcesReady(clones: readonly Clone[]): Promise<void> {
    const own = new Set(clones.map(({ source }) => keyOf(source)));
    await until('the sources to be ready', async () => {
      const made = await this.sources();
      return made.filter((object) => own.has(keyOf(object)) && isReady(object)).length === own.size;
    });
  }

  /** Every claim and snapshot in both namespaces, with its kind. */
  async sources(): Promise<readonly Source[]> {
    const lists = await Promise.all(
      [this.home, this.abroad].flatMap(({ namespace }) =>
        (['PersistentVolumeClaim', 'VolumeSnapshot'] as const).map(async (kind) => {
          const found = await this.list(pathOf({ kind, namespace, name: '' }).replace(/\/$/, ''));
          return found.map((object) => ({ ...object, kind }));
        }),
      ),
    );
    return lists.flat();
  }
}
