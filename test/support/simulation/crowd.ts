import { ownerUidOf } from '../../../controller/children.ts';
import type { Reconcile } from '../../../controller/reconcile.ts';
import { createStores } from '../../../controller/stores.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import {
  controllerOf,
  type KubeObject,
  keyOf,
  type ObjectRef,
  type PersistentVolumeClaim,
  type Stored,
} from '../../../shared/api/objects.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { claims, dataVolumes, persistentVolumes, pods, volumeSnapshots } from '../../../shared/kube/resource.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { generateStampKeys, loadVerifier } from '../../../shared/trust/keys.ts';
import { stampReader } from '../../../shared/trust/stamp.ts';
import { stampedClone } from '../build/clones.ts';
import { FakeClock } from '../clock.ts';
import { createController } from './controller.ts';
import { furnish, sourceVolume } from './furnish.ts';
import { SimulatedStorage } from './storage.ts';
import { watchesOf } from './watches.ts';

/**
 * Many clones of one source by snapshots, in the source's namespace and from it into another. The source is written to all the time: with
 * each clone that is ordered it holds something newer, and no clone may get what was there before.
 */

const start = Date.parse('2026-05-06T07:08:09Z');
const golden = 'golden';
const keys = await generateStampKeys();
const verifier = await loadVerifier(keys);

/** Thrown into the controller at the write at which it dies. */
class Killed extends Error {}

export interface Order {
  readonly elsewhere?: boolean;
  /** Its class waits for the first consumer, who comes when the test says so. */
  readonly late?: boolean;
  /** It wants a snapshot of its own. */
  readonly own?: boolean;
  readonly sourceInUse?: 'wait' | 'crash-consistent';
}

interface Ordered extends Order {
  readonly key: string;
  /** What the source held when it was ordered. */
  readonly version: number;
}

export class Crowd {
  readonly storage = new SimulatedStorage(['late']);
  readonly stores = createStores(() => true);
  readonly ordered: Ordered[] = [];
  readonly writes: string[] = [];
  /** Told before each write and after it; a throw is the controller's death. */
  onWrite: (nth: number, when: 'before' | 'after') => void | Promise<void> = () => undefined;
  /** What must never be and was. */
  readonly wrong: string[] = [];
  readonly #clock = new FakeClock(start);
  readonly #metrics = createMetrics({ process: false });
  #controller: Reconcile = this.#newController();
  #version = 0;

  static async of(...orders: readonly Order[]): Promise<Crowd> {
    const crowd = new Crowd();
    await furnish(crowd.storage, crowd.stores, { namespace: golden, mode: 'Filesystem' });
    for (const order of orders) await crowd.order(order);
    return crowd;
  }

  async order(order: Order = {}): Promise<string> {
    this.#version += 1;
    this.storage.contents.set(sourceVolume, `version ${this.#version}`);
    const namespace = order.elsewhere === true ? 'tenant' : golden;
    const name = `copy-${this.#version}`;
    const volume = await stampedClone(keys, {
      namespace,
      name,
      source: { kind: 'PersistentVolumeClaim', namespace: golden, name: 'source' },
      strategy: 'snapshot',
      now: start,
      claim: { storageClassName: order.late === true ? 'late' : 'fast', resources: { requests: { storage: '1Gi' } } },
    });
    const creationTimestamp = new Date(start).toISOString();
    const chosen = {
      ...volume.metadata.annotations,
      ...(order.own === true ? { [annotations.shareSnapshot]: 'false' } : {}),
      ...(order.sourceInUse === undefined ? {} : { [annotations.sourceInUse]: order.sourceInUse }),
    };
    const metadata = { ...volume.metadata, creationTimestamp, annotations: chosen };
    await this.storage.api.client().create(dataVolumes, { ...volume, metadata });
    this.ordered.push({ ...order, key: `${namespace}/${name}`, version: this.#version });
    return `${namespace}/${name}`;
  }

  /** Ends the controller where it is and starts another, which knows nothing. */
  kill(): void {
    this.#controller = this.#newController();
  }

  /** Several passes at once, as workers have them. A controller that dies in one is replaced. */
  async pass(...some: readonly string[]): Promise<void> {
    const signal = new AbortController().signal;
    const controller = this.#controller;
    const ends = await Promise.allSettled(some.map(async (key) => controller(key, signal)));
    for (const end of ends) {
      if (end.status === 'fulfilled') continue;
      if (!(end.reason instanceof ApiError) || !(end.reason.cause instanceof Killed)) throw end.reason;
      this.kill();
    }
  }

  /** What the watches do; of one kind, or of all. */
  readonly sync = watchesOf(this.stores, this.storage);

  syncAll(): void {
    for (const see of Object.values(this.sync)) see();
  }

  /** Everybody has a turn. */
  async round(): Promise<void> {
    this.syncAll();
    await this.pass(...this.ordered.map(({ key }) => key));
    await this.storage.round();
  }

  /** Until nothing is left to do. @throws Error when that does not come. */
  async settle(): Promise<void> {
    for (let quiet = 0, rounds = 0; quiet < 2; rounds += 1) {
      if (rounds > 80) throw new Error(`it does not come to an end: ${JSON.stringify(this.outcome())}`);
      const before = this.#fingerprint();
      await this.round();
      // What was never seen in a store is not waited for any longer after a while.
      await this.#clock.advance(20_000);
      quiet = this.#fingerprint() === before ? quiet + 1 : 0;
    }
  }

  /** Longer than those who come at the same time wait for each other. */
  async pause(): Promise<void> {
    await this.#clock.advance(150);
  }

  /** The first consumers of all that wait for theirs. */
  async consume(): Promise<void> {
    for (const { key, late } of this.ordered) {
      const claim = this.#claim(key);
      if (late !== true || claim === undefined || claim.spec?.volumeName !== undefined) continue;
      const patch = { metadata: { annotations: { [annotations.selectedNode]: 'node-1' } } };
      await this.storage.api.client().mergePatch(claims, refOfClaim(claim), patch);
    }
  }

  async deleteVolume(key: string): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    await this.storage.deleteVolume(namespace, name);
  }

  /** The storage fails at a snapshot for good. */
  async breakSnapshot(ref: ObjectRef): Promise<void> {
    const status = { error: { message: 'rpc error: code = InvalidArgument desc = no' } };
    await this.storage.api.client().mergePatch(volumeSnapshots, ref, { status });
  }

  /** Somebody's hand. */
  removeSnapshot(): void {
    const [found] = this.snapshots;
    if (found !== undefined) this.storage.api.remove(volumeSnapshots, refOfClaim(found));
  }

  /** Somebody's hand. */
  removeTarget(key: string): void {
    const found = this.#claim(key);
    if (found !== undefined) this.storage.api.remove(claims, refOfClaim(found));
  }

  get snapshots(): readonly Stored<KubeObject>[] {
    return this.storage.api.all<KubeObject>(volumeSnapshots);
  }

  volume(key: string): Stored<DataVolume> | undefined {
    return this.storage.api.all(dataVolumes).find(({ metadata }) => keyOf(metadata) === key);
  }

  /** How many snapshots were ever asked for. */
  get taken(): number {
    return this.writes.filter((write) => write.startsWith('create volumesnapshots')).length;
  }

  /** Everything that matters in the end; content that is older than its DataVolume is told as such. */
  outcome() {
    const { api } = this.storage;
    const clones = this.ordered.flatMap((order) => {
      const volume = this.volume(order.key);
      if (volume === undefined) return [];
      return [
        `${order.key} ${volume.status?.phase ?? ''} ${volume.metadata.finalizers?.join() ?? ''}${this.#content(order)}`,
      ];
    });
    return {
      clones,
      claims: api
        .all(claims)
        .map(({ metadata }) => keyOf(metadata))
        .filter((key) => key !== `${golden}/source`)
        .toSorted(),
      snapshots: this.snapshots.map(({ metadata }) => metadata.name),
      wrong: this.wrong,
    };
  }

  /** What {@link outcome} has to be when all but these clones are there. */
  finished(...but: readonly string[]) {
    const left = this.ordered.map(({ key }) => key).filter((key) => !but.includes(key));
    return { clones: left.map((key) => `${key} Succeeded fresh`), claims: left.toSorted(), snapshots: [], wrong: [] };
  }

  #content({ key, version }: Ordered): string {
    const content = this.storage.contents.get(this.#claim(key)?.spec?.volumeName ?? '') ?? '';
    if (content === '') return 'empty';
    return Number(content.replace('version ', '')) >= version ? 'fresh' : `${content}, older than ${version}`;
  }

  #claim(key: string): Stored<PersistentVolumeClaim> | undefined {
    return this.storage.api.all(claims).find(({ metadata }) => keyOf(metadata) === key);
  }

  #fingerprint(): string {
    const { api } = this.storage;
    return JSON.stringify(
      [claims, pods, volumeSnapshots, persistentVolumes, dataVolumes].map((kind) =>
        api.all<KubeObject>(kind).map(({ metadata }) => `${metadata.uid} ${metadata.resourceVersion}`),
      ),
    );
  }

  /** A snapshot that was removed although a claim that is to be restored from it has no volume yet. */
  #watch(before: readonly Stored<KubeObject>[]): void {
    const now = new Set(this.snapshots.map(({ metadata }) => metadata.uid));
    const removed = new Set(
      before.filter(({ metadata }) => !now.has(metadata.uid)).map(({ metadata }) => metadata.name),
    );
    if (removed.size === 0) return;
    for (const claim of this.storage.api.all(claims)) {
      const { dataSourceRef, volumeName } = claim.spec ?? {};
      if (volumeName === undefined && removed.has(dataSourceRef?.name ?? '') && this.#isWanted(claim))
        this.wrong.push(`${keyOf(claim.metadata)} lost ${dataSourceRef?.name ?? ''}`);
    }
  }

  #isWanted(claim: Stored<PersistentVolumeClaim>): boolean {
    const uid = controllerOf(claim)?.uid ?? ownerUidOf(claim);
    const owner = this.storage.api.all(dataVolumes).find(({ metadata }) => metadata.uid === uid);
    return owner !== undefined && owner.metadata.deletionTimestamp === undefined;
  }

  #newController(): Reconcile {
    return createController({
      api: this.storage.api,
      stores: this.stores,
      clock: this.#clock,
      metrics: this.#metrics,
      // Opened every time: passes that go on at the same time get ahead of each other by what that takes.
      readStamp: stampReader(verifier),
      written: async (what, call) => {
        const nth = this.writes.push(what);
        await this.onWrite(nth, 'before');
        const before = this.snapshots;
        const answer = await call();
        this.#watch(before);
        await this.onWrite(nth, 'after');
        return answer;
      },
    });
  }

  /** For `onWrite`: the death of the controller. */
  static death(this: void): never {
    throw new ApiError('killed', { code: 0, reason: 'Unreachable', cause: new Killed() });
  }
}

function refOfClaim({ metadata: { namespace = '', name } }: Stored<KubeObject>) {
  return { namespace, name };
}
