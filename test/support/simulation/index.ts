import type { Reconcile } from '../../../controller/reconcile.ts';
import { createStores } from '../../../controller/stores.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, labels } from '../../../shared/api/names.ts';
import type { KubeObject, PersistentVolumeClaim, Stored } from '../../../shared/api/objects.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import {
  claims,
  dataVolumes,
  networkPolicies,
  persistentVolumes,
  pods,
  secrets,
  volumeSnapshots,
} from '../../../shared/kube/resource.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { generateStampKeys, loadVerifier } from '../../../shared/trust/keys.ts';
import { stampedClone } from '../build/clones.ts';
import { FakeClock } from '../clock.ts';
import { createController } from './controller.ts';
import { furnish } from './furnish.ts';
import type { Kind } from './kinds.ts';
import { openedOnce } from './stamps.ts';
import { SimulatedStorage } from './storage.ts';
import { watchesOf } from './watches.ts';

export { bytes } from './furnish.ts';
export { type Kind, kinds, nameOfKind } from './kinds.ts';

/** One clone of some kind in a simulated cluster, with as many controllers, one after the other, as a test likes to kill. */

const start = Date.parse('2026-05-06T07:08:09Z');
/** More writes than any clone takes. */
const most = 100;
const target = { namespace: 'tenant', name: 'target' };
const key = 'tenant/target';

const keys = await generateStampKeys();
const verifier = await loadVerifier(keys);

/** Thrown into the controller at the write at which it dies. */
class Killed extends Error {}

export class Simulation {
  readonly storage = new SimulatedStorage(['late']);
  readonly stores = createStores(() => true);
  readonly kind: Kind;
  /** Writes of all controllers, in a few words each. */
  readonly writes: string[] = [];
  /** Told before each write and after it; a throw is the controller's death. */
  onWrite: (nth: number, when: 'before' | 'after') => void | Promise<void> = () => undefined;
  /** The storage does one thing, then the controller all that it has to do, and so on: every wait is seen, and told. */
  slow = false;
  #programs: (() => Promise<void>)[] = [];
  readonly #clock = new FakeClock(start);
  readonly #metrics = createMetrics({ process: false });
  readonly #readStamp = openedOnce(verifier);
  #controller: Reconcile;

  private constructor(kind: Kind) {
    this.kind = kind;
    this.#controller = this.#newController();
  }

  static async of(kind: Kind): Promise<Simulation> {
    const simulation = new Simulation(kind);
    await simulation.#furnish();
    return simulation;
  }

  /** Ends the controller where it is and starts another, which knows nothing. */
  kill(): void {
    this.#controller = this.#newController();
  }

  /** One pass. A controller that dies in it is replaced. */
  async pass(): Promise<void> {
    try {
      await this.#controller(key, new AbortController().signal);
    } catch (error) {
      if (!(error instanceof ApiError) || !(error.cause instanceof Killed)) throw error;
      this.kill();
    }
  }

  /** What the watches do; of one kind, or of all. */
  readonly sync = watchesOf(this.stores, this.storage);

  /** Everybody has a turn. */
  async round(): Promise<void> {
    if (this.slow) return this.#slowRound();
    this.syncAll();
    await this.pass();
    await this.storage.round();
    await this.consume();
  }

  async #slowRound(): Promise<void> {
    for (let before = -1; before < this.writes.length; ) {
      if (this.writes.length > most) throw new Error(`it goes round in circles: ${this.writes.slice(-8).join('; ')}`);
      before = this.writes.length;
      this.syncAll();
      await this.pass();
    }
    if (this.#programs.length === 0)
      this.#programs = [...Object.values(this.storage.programs), async () => this.consume()];
    await this.#programs.shift()?.();
  }

  syncAll(): void {
    for (const see of Object.values(this.sync)) see();
  }

  /** Until nothing is left to do. @throws Error when that does not come. */
  async settle(): Promise<void> {
    const [enough, longest] = this.slow ? [8, 300] : [2, 60];
    for (let quiet = 0, rounds = 0; quiet < enough; rounds += 1) {
      if (rounds > longest) throw new Error(`it does not come to an end: ${JSON.stringify(this.volume?.status)}`);
      const before = this.#fingerprint();
      await this.round();
      // What was never seen in a store is not waited for any longer after a while.
      await this.#clock.advance(20_000);
      quiet = this.#fingerprint() === before ? quiet + 1 : 0;
    }
  }

  get volume(): Stored<DataVolume> | undefined {
    return this.storage.api.all(dataVolumes)[0];
  }

  get targetClaim(): Stored<PersistentVolumeClaim> | undefined {
    return this.storage.api
      .all(claims)
      .find(({ metadata }) => metadata.uid !== undefined && metadata.name === target.name);
  }

  get temporaryClaim(): Stored<PersistentVolumeClaim> | undefined {
    return this.storage.api.all(claims).find(({ metadata }) => metadata.name.startsWith('clonegate-'));
  }

  async deleteVolume(): Promise<void> {
    await this.storage.deleteVolume(target.namespace, target.name);
  }

  /** Somebody's hand. */
  remove(claim: Stored<PersistentVolumeClaim> | undefined): void {
    if (claim === undefined) return;
    this.storage.api.remove(claims, { namespace: claim.metadata.namespace ?? '', name: claim.metadata.name });
  }

  /** Its volume goes with it. */
  removeSource(): void {
    this.storage.api.remove(claims, { namespace: this.#namespace, name: 'source' });
  }

  /** Everything that matters in the end. */
  outcome() {
    const { api, contents } = this.storage;
    const own = this.targetClaim;
    const given = this.kind.from === 'VolumeSnapshot' ? ['given'] : [];
    const marked = <T extends KubeObject>(objects: readonly Stored<T>[]): readonly string[] =>
      objects
        .filter(({ metadata }) => metadata.labels?.[labels.ownerUid] !== undefined)
        .map(({ metadata }) => metadata.name);
    return {
      phase: this.volume?.status?.phase,
      finalizers: this.volume?.metadata.finalizers ?? [],
      target: own === undefined ? undefined : { ...own.status, content: contents.get(own.spec?.volumeName ?? '') },
      claims: api
        .all(claims)
        .map(({ metadata }) => metadata.name)
        .toSorted(),
      snapshots: api
        .all(volumeSnapshots)
        .map(({ metadata }) => metadata.name)
        .filter((name) => !given.includes(name)),
      pods: marked(api.all(pods)),
      means: [...marked(api.all(secrets)), ...marked(api.all(networkPolicies))],
      markedVolumes: marked(api.all(persistentVolumes)),
      volumes: api.all(persistentVolumes).map(({ metadata, spec }) => ({
        policy: spec?.persistentVolumeReclaimPolicy,
        noted: metadata.annotations?.[annotations.reclaimPolicy],
        content: contents.get(metadata.name),
      })),
    };
  }

  #fingerprint(): string {
    const { api } = this.storage;
    return JSON.stringify(
      [claims, pods, volumeSnapshots, persistentVolumes, dataVolumes, secrets, networkPolicies].map((kind) =>
        api.all<KubeObject>(kind).map(({ metadata }) => `${metadata.uid} ${metadata.resourceVersion}`),
      ),
    );
  }

  get #namespace(): string {
    return this.kind.elsewhere ? 'golden' : target.namespace;
  }

  async #furnish(): Promise<void> {
    const { kind, storage, stores } = this;
    storage.apart = kind.apart;
    await furnish(storage, stores, { namespace: this.#namespace, mode: kind.mode });
    if (kind.from === 'VolumeSnapshot') {
      const spec = { volumeSnapshotClassName: 'snaps', source: { persistentVolumeClaimName: 'source' } };
      await storage.api
        .client()
        .create(volumeSnapshots, { metadata: { namespace: this.#namespace, name: 'given' }, spec });
    }
    await storage.round();
    await this.#order();
  }

  async #order(): Promise<void> {
    const { kind } = this;
    const name = kind.from === 'VolumeSnapshot' ? 'given' : 'source';
    const volume = await stampedClone(keys, {
      ...target,
      source: { kind: kind.from, namespace: this.#namespace, name },
      strategy: kind.strategy,
      now: start,
      claim: {
        storageClassName: kind.late ? 'late' : 'fast',
        volumeMode: kind.mode,
        resources: { requests: { storage: kind.larger ? '2Gi' : '1Gi' } },
      },
    });
    const creationTimestamp = new Date(start).toISOString();
    const spec = { ...volume.spec, ...(kind.tree === true ? { contentType: 'archive' as const } : {}) };
    await this.storage.api
      .client()
      .create(dataVolumes, { ...volume, spec, metadata: { ...volume.metadata, creationTimestamp } });
  }

  /** The user's pod comes as soon as there is something to use, and the scheduler chooses a node. */
  async consume(): Promise<void> {
    const claim = this.targetClaim;
    if (!this.kind.late || claim?.spec?.volumeName !== undefined || claim === undefined) return;
    const patch = { metadata: { annotations: { [annotations.selectedNode]: 'node-1' } } };
    await this.storage.api.client().mergePatch(claims, target, patch);
  }

  #newController(): Reconcile {
    return createController({
      api: this.storage.api,
      stores: this.stores,
      clock: this.#clock,
      metrics: this.#metrics,
      readStamp: this.#readStamp,
      written: async (what, call) => {
        const nth = this.writes.push(what);
        await this.#strike(nth, 'before');
        const answer = await call();
        await this.#strike(nth, 'after');
        return answer;
      },
    });
  }

  async #strike(nth: number, when: 'before' | 'after'): Promise<void> {
    await this.onWrite(nth, when);
  }

  /** For `onWrite`: the death of the controller. */
  static death(): never {
    throw new ApiError('killed', { code: 0, reason: 'Unreachable', cause: new Killed() });
  }
}
