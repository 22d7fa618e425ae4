import { createPlaces } from '../../../controller/copy/places.ts';
import { createExpectations } from '../../../controller/expectations.ts';
import { createReconcile, type Reconcile } from '../../../controller/reconcile.ts';
import { createSharing } from '../../../controller/sharing.ts';
import { createStores, lookup } from '../../../controller/stores.ts';
import { createTurns, type TurnLimits } from '../../../controller/turns.ts';
import type { Limits } from '../../../controller/waiting.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import type { Event, KubeObject, ObjectRef, PersistentVolumeClaim, Stored } from '../../../shared/api/objects.ts';
import type { ListOptions } from '../../../shared/kube/client.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import { claims, dataVolumes, pods, type Resource, volumeSnapshots } from '../../../shared/kube/resource.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { strictPolicy } from '../../../shared/trust/access.ts';
import { generateStampKeys, loadVerifier } from '../../../shared/trust/keys.ts';
import { stampReader } from '../../../shared/trust/stamp.ts';
import type { CloneOptions } from '../../support/build/clones.ts';
import { perNode } from '../../support/build/copies.ts';
import { FakeClock } from '../../support/clock.ts';
import { type Interceptor, MemoryApi } from '../../support/memory-client.ts';
import { claim, namespace, policy, storageClass } from './world.ts';

export const keys = await generateStampKeys();
const verifier = await loadVerifier(keys);
export const start = Date.parse('2026-05-06T07:08:09Z');
export const key = 'tenant/target';
export const ref = { namespace, name: 'target' };
export const signal = new AbortController().signal;
export const wanted: CloneOptions = {
  namespace,
  name: 'target',
  source: 'source',
  now: start,
  claim: { storageClassName: 'fast' },
};

/** Another namespace. */
export const elsewhere = 'elsewhere';

type Right = 'allowed' | 'denied' | Error;

/** An API server in memory with the controller's stores beside it, which show its objects only when they are told to. */
export class Scene {
  readonly api = new MemoryApi();
  /** Namespaces that the controller does not see into. */
  readonly closed = new Set<string>();
  readonly stores = createStores(
    () => true,
    (place) => (this.closed.has(place) ? `namespace ${place} is closed` : undefined),
  );
  readonly clock = new FakeClock(start);
  readonly metrics = createMetrics({ process: false });
  readonly events: Emission[] = [];
  readonly asked: KubeObject[] = [];
  readonly listed: string[] = [];
  /** What the API server has of other programs' events. */
  foreignEvents: readonly Partial<Event>[] = [];
  right: Right = 'allowed';
  executor: 'clonegate' | 'cdi' = 'clonegate';
  limits: Limits = { stallAfter: 0, stallAfterConsumer: 0, fallbackAfter: 0 };
  turns: TurnLimits = { perSource: 0, perStorageClass: 0, copiesPerStorageClass: 0 };
  /** What copy pods write. */
  podLog: (ref: ObjectRef) => Promise<string> = async () => '';
  intercept: Interceptor = () => undefined;
  /** Runs when a write was carried out, before its answer is on the way. */
  answer: (write: number) => void = () => undefined;
  #writes = 0;

  static async with(volume: DataVolume): Promise<Scene> {
    const scene = new Scene();
    const cluster = (name: string) => ({ metadata: { name, uid: `${name}-uid`, resourceVersion: '1' } });
    scene.stores.storageClasses.upsert(storageClass());
    scene.stores.csiDrivers.upsert(cluster('csi.example.com'));
    scene.stores.volumeSnapshotClasses.upsert({ ...cluster('fast'), driver: 'csi.example.com' });
    scene.stores.storageProfiles.upsert({ ...cluster('fast'), spec: { cloneStrategy: 'csi-clone' } });
    await scene.create(claims, claim('source'));
    await scene.create(dataVolumes, volume);
    return scene;
  }

  /** As somebody else would; it counts for no call of ours. */
  async create<T extends KubeObject>(kind: Resource<T>, object: T): Promise<void> {
    const calls = this.api.calls.length;
    const creationTimestamp = new Date(this.clock.now()).toISOString();
    await this.api.client().create(kind, { ...object, metadata: { creationTimestamp, ...object.metadata } });
    this.api.calls.length = calls;
    this.sync();
  }

  /** What the watches do. */
  sync(): void {
    const places = [namespace, elsewhere];
    const all = <T extends KubeObject>(kind: Resource<T>) => places.flatMap((place) => this.api.list(kind, place));
    this.stores.volumes.replace(all(dataVolumes));
    this.stores.claims.replace(all(claims));
    this.stores.snapshots.replace(all(volumeSnapshots));
    this.stores.pods.replace(all(pods));
  }

  /** A controller that has just started. */
  controller(): Reconcile {
    const client = this.api.client((call) => this.intercept(call));
    const wrap = async <T>(call: Promise<T>): Promise<T> => {
      const answer = await call;
      this.#writes += 1;
      this.answer(this.#writes);
      return answer;
    };
    const lookupIn = (resource: Parameters<typeof lookup>[1], name: string) => lookup(this.stores, resource, name);
    return createReconcile({
      client: {
        get: async (...args) => client.get(...args),
        create: async (...args) => wrap(client.create(...args)),
        mergePatch: async (...args) => wrap(client.mergePatch(...args)),
        remove: async (...args) => wrap(client.remove(...args)),
        podLog: async (ref) => this.podLog(ref),
        pages: (_kind, options = {}) => this.#pages(options),
        review: async <T extends KubeObject>(_kind: unknown, object: T): Promise<T> => {
          this.asked.push(object);
          if (this.right instanceof Error) throw this.right;
          return { ...object, status: { allowed: this.right === 'allowed' } };
        },
      },
      stores: this.stores,
      readStamp: stampReader(verifier),
      recorder: { emit: (emission) => this.events.push(emission) },
      expectations: createExpectations(lookupIn, this.clock),
      policy,
      access: strictPolicy,
      executor: this.executor,
      limits: this.limits,
      turns: createTurns(this.stores, this.turns),
      sharing: createSharing(this.stores, this.clock),
      places: createPlaces(this.stores, perNode, this.clock),
      newKey: () => 'clonegate:a key\n',
      copyProgressInterval: 5000,
      clock: this.clock,
      log: createLogger({ level: 'silent', name: 'test' }),
      metrics: this.metrics,
    });
  }

  /** Events by the selectors that are asked for here. */
  async *#pages({ namespace: place, fieldSelector = '' }: ListOptions) {
    this.listed.push(`${place ?? ''} ${fieldSelector}`);
    const items = this.foreignEvents.filter((event) =>
      fieldSelector.split(',').every((term) => {
        const [field = '', value] = term.split('=', 2);
        const { kind, name, uid } = event.regarding ?? {};
        const fields: Readonly<Record<string, unknown>> = {
          reason: event.reason,
          'regarding.kind': kind,
          'regarding.name': name,
          'regarding.uid': uid,
        };
        return fields[field] === value;
      }),
    );
    // They have what is read of them.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    yield { items: items as never[], resourceVersion: '1' };
  }

  /** What the driver does. */
  async bind(): Promise<void> {
    await this.setClaim({ phase: 'Bound', capacity: { storage: '1Gi' } });
  }

  async setClaim(status: NonNullable<PersistentVolumeClaim['status']>): Promise<void> {
    await this.api.client().mergePatch(claims, ref, { status });
    this.api.calls.pop();
  }

  get volume(): Stored<DataVolume> {
    return this.api.read(dataVolumes, ref);
  }

  get reasons(): readonly string[] {
    return this.events.map(({ reason }) => reason);
  }

  /** `verb plural`, and the fields that a patch sets. */
  get writes(): readonly string[] {
    return this.api.calls
      .filter(({ verb }) => verb !== 'get')
      .map(({ verb, plural, body }) => `${verb} ${plural}${verb === 'patch' ? ` ${summary(body)}` : ''}`);
  }
}

function summary(body: unknown): string {
  const { metadata, status } = body as Partial<DataVolume>;
  if (status !== undefined) return status.phase ?? '';
  return Object.entries(metadata ?? {})
    .map(([field, value]) => `${field} ${JSON.stringify(value)}`)
    .join(', ');
}
