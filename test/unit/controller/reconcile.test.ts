import { describe, expect, test } from 'vitest';
import { createExpectations, patience } from '../../../controller/expectations.ts';
import { createReconcile, type Reconcile } from '../../../controller/reconcile.ts';
import { createStores, lookup } from '../../../controller/stores.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, finalizer } from '../../../shared/api/names.ts';
import type { KubeObject, PersistentVolumeClaim, Stored } from '../../../shared/api/objects.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import { claims, dataVolumes } from '../../../shared/kube/resource.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { generateStampKeys, loadVerifier } from '../../../shared/trust/keys.ts';
import { type CloneOptions, plainClone, stampedClone } from '../../support/build/clones.ts';
import { FakeClock } from '../../support/clock.ts';
import { type Interceptor, MemoryApi } from '../../support/memory-client.ts';
import { claim, namespace, policy, storageClass } from './world.ts';

const keys = await generateStampKeys();
const verifier = await loadVerifier(keys);
const start = Date.parse('2026-05-06T07:08:09Z');
const key = 'tenant/target';
const ref = { namespace, name: 'target' };
const signal = new AbortController().signal;
const wanted: CloneOptions = {
  namespace,
  name: 'target',
  source: 'source',
  now: start,
  claim: { storageClassName: 'fast' },
};

type Right = 'allowed' | 'denied' | Error;

/** An API server in memory with the controller's stores beside it, which show its objects only when they are told to. */
class Scene {
  readonly api = new MemoryApi();
  readonly stores = createStores(() => true);
  readonly clock = new FakeClock(start);
  readonly metrics = createMetrics({ process: false });
  readonly events: Emission[] = [];
  readonly asked: KubeObject[] = [];
  right: Right = 'allowed';
  intercept: Interceptor = () => undefined;
  /** Runs when a write was carried out, before its answer is on the way. */
  answer: (write: number) => void = () => undefined;
  #writes = 0;

  static async with(volume: DataVolume): Promise<Scene> {
    const scene = new Scene();
    const cluster = (name: string) => ({ metadata: { name, uid: `${name}-uid`, resourceVersion: '1' } });
    scene.stores.storageClasses.upsert(storageClass());
    scene.stores.csiDrivers.upsert(cluster('csi.example.com'));
    scene.stores.storageProfiles.upsert({ ...cluster('fast'), spec: { cloneStrategy: 'csi-clone' } });
    const creationTimestamp = new Date(start).toISOString();
    await scene.api.client().create(claims, claim('source'));
    await scene.api.client().create(dataVolumes, { ...volume, metadata: { ...volume.metadata, creationTimestamp } });
    scene.api.calls.length = 0;
    scene.sync();
    return scene;
  }

  /** What the watches do. */
  sync(): void {
    this.stores.volumes.replace(this.api.list(dataVolumes, namespace));
    this.stores.claims.replace(this.api.list(claims, namespace));
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
        review: async <T extends KubeObject>(_kind: unknown, object: T): Promise<T> => {
          this.asked.push(object);
          if (this.right instanceof Error) throw this.right;
          return { ...object, status: { allowed: this.right === 'allowed' } };
        },
      },
      stores: this.stores,
      verifier,
      recorder: { emit: (emission) => this.events.push(emission) },
      expectations: createExpectations(lookupIn, this.clock),
      policy,
      clock: this.clock,
      log: createLogger({ level: 'silent', name: 'test' }),
      metrics: this.metrics,
    });
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

const hold = `patch datavolumes finalizers ["${finalizer}"]`;
const release = 'patch datavolumes finalizers []';

describe('a clone', () => {
  test('takes five writes, one question and two events from beginning to end', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    const reconcile = scene.controller();

    expect(await reconcile(key, signal)).toEqual({ kind: 'after', ms: patience });
    scene.sync();
    expect(await reconcile(key, signal)).toEqual({ kind: 'done' });
    await scene.bind();
    scene.sync();
    await reconcile(key, signal);
    scene.sync();
    await reconcile(key, signal);
    scene.sync();
    expect(await reconcile(key, signal)).toEqual({ kind: 'done' });

    expect(scene.writes).toEqual([
      hold,
      'create persistentvolumeclaims',
      'patch datavolumes CSICloneInProgress',
      'patch datavolumes Succeeded',
      release,
    ]);
    expect(scene.asked).toHaveLength(1);
    expect(scene.reasons).toEqual(['CSICloneInProgress', 'CloneSucceeded']);
    expect(scene.events[0]).toMatchObject({
      namespace,
      regarding: {
        kind: 'DataVolume',
        apiVersion: 'cdi.kubevirt.io/v1beta1',
        name: 'target',
        uid: scene.volume.metadata.uid,
      },
      related: { kind: 'PersistentVolumeClaim', apiVersion: 'v1', name: 'source' },
      action: 'Clone',
    });
    expect(await scene.metrics.registry.metrics()).toContain(
      'clonegate_clones_total{strategy="csi-clone",outcome="succeeded"} 1',
    );
  });

  test('that is bound at once is never told to be in progress', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    const reconcile = scene.controller();

    await reconcile(key, signal);
    await scene.bind();
    scene.sync();
    await reconcile(key, signal);

    expect(scene.reasons).toEqual(['CloneSucceeded']);
  });

  test('is not looked at again until the stores show what was written', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    const reconcile = scene.controller();
    await reconcile(key, signal);
    await scene.clock.advance(1000);

    expect(await reconcile(key, signal)).toEqual({ kind: 'after', ms: patience - 1000 });
    expect(scene.writes).toHaveLength(2);
  });

  test('whose stores stay behind for good writes nothing twice', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    const reconcile = scene.controller();
    await reconcile(key, signal);
    await scene.clock.advance(patience);

    expect(await reconcile(key, signal)).toEqual({ kind: 'retry' });
    // The patch that the second pass tried was refused, since it was made for an older version.
    expect(scene.writes).toEqual([hold, 'create persistentvolumeclaims', hold]);
    expect(scene.volume.metadata.finalizers).toEqual([finalizer]);
  });
});

describe('a controller that is killed', () => {
  /** Passes of controllers that know nothing of each other, until nothing changes any more. */
  async function finish(scene: Scene): Promise<void> {
    for (let pass = 0; pass < 10; pass += 1) {
      scene.sync();
      await scene
        .controller()(key, signal)
        .catch(() => undefined);
      if (scene.volume.status?.phase === 'CSICloneInProgress') await scene.bind();
    }
  }

  test.each([1, 2, 3, 4, 5])(
    'before the answer to write %i is taken up by the next, with the same writes',
    async (last) => {
      const scene = await Scene.with(await stampedClone(keys, wanted));
      scene.answer = (write) => {
        if (write === last) throw new ApiError('killed', { code: 0, reason: 'Unreachable' });
      };

      await finish(scene);

      expect(scene.writes).toEqual([
        hold,
        'create persistentvolumeclaims',
        'patch datavolumes CSICloneInProgress',
        'patch datavolumes Succeeded',
        release,
      ]);
    },
  );
});

describe('a right', () => {
  test('that was taken away stops the clone before anything is made', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    scene.right = 'denied';

    expect(await scene.controller()(key, signal)).toEqual({ kind: 'after', ms: 600_000 });

    expect(scene.writes).toEqual(['patch datavolumes Pending']);
    expect(scene.reasons).toEqual(['CloneAuthorizationRevoked']);
    expect(await scene.metrics.registry.metrics()).toContain(
      'clonegate_unauthorized_clones_refused_total{reason="CloneAuthorizationRevoked"} 1',
    );
  });

  test('that is given back lets the clone go on', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    scene.right = 'denied';
    const reconcile = scene.controller();
    await reconcile(key, signal);
    scene.sync();
    scene.right = 'allowed';
    await reconcile(key, signal);

    expect(scene.writes).toContain('create persistentvolumeclaims');
  });

  test('that nobody can tell keeps the clone waiting, and is asked for again', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    scene.right = new ApiError('timeout', { code: 504, reason: 'Timeout' });

    expect(await scene.controller()(key, signal)).toEqual({ kind: 'retry' });
    expect(scene.writes).toEqual(['patch datavolumes CloneScheduled']);
    expect(scene.reasons).toEqual(['CloneAuthorizationFailed']);
  });

  test('is asked for anew when the claim has to be made again', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    const reconcile = scene.controller();
    await reconcile(key, signal);
    scene.api.remove(claims, ref);
    scene.sync();
    await scene.clock.advance(patience);
    scene.right = 'denied';
    await reconcile(key, signal);

    expect(scene.asked).toHaveLength(2);
    expect(scene.reasons).toEqual(['CloneAuthorizationRevoked']);
    expect(scene.writes.filter((write) => write.startsWith('create'))).toHaveLength(1);
  });
});

describe('a DataVolume without a stamp', () => {
  test('is told so and never executed', async () => {
    const scene = await Scene.with(plainClone(wanted));
    const reconcile = scene.controller();

    expect(await reconcile(key, signal)).toEqual({ kind: 'done' });
    scene.sync();
    expect(await reconcile(key, signal)).toEqual({ kind: 'done' });

    expect(scene.writes).toEqual(['patch datavolumes Failed']);
    expect(scene.reasons).toEqual(['CloneUnauthorized']);
    expect(scene.events[0]).not.toHaveProperty('related');
    expect(scene.asked).toEqual([]);
  });

  test('is let go when it is deleted', async () => {
    const plain = plainClone(wanted);
    const metadata = { ...plain.metadata, finalizers: [finalizer], deletionTimestamp: '2026-05-06T07:08:10Z' };
    const scene = await Scene.with({ ...plain, metadata });

    await scene.controller()(key, signal);

    expect(scene.writes).toEqual([release]);
    expect(scene.volume.metadata.finalizers).toEqual([]);
  });
});

describe('nothing is written', () => {
  test('for a DataVolume that is gone', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    scene.stores.volumes.replace([]);

    expect(await scene.controller()(key, signal)).toEqual({ kind: 'done' });
    expect(scene.writes).toEqual([]);
  });

  test('for one that is deleted and has no finalizer of ours', async () => {
    const stamped = await stampedClone(keys, wanted);
    const metadata = { ...stamped.metadata, deletionTimestamp: '2026-05-06T07:08:10Z' };
    const scene = await Scene.with({ ...stamped, metadata });

    expect(await scene.controller()(key, signal)).toEqual({ kind: 'done' });
    expect(scene.writes).toEqual([]);
  });

  test('for one that is no clone', async () => {
    const plain = plainClone(wanted);
    const scene = await Scene.with({ ...plain, spec: { source: { upload: {} }, pvc: {} } });

    expect(await scene.controller()(key, signal)).toEqual({ kind: 'done' });
    expect(scene.writes).toEqual([]);
  });

  test('for one that others have completed', async () => {
    const scene = await Scene.with({ ...plainClone(wanted), status: { phase: 'Succeeded' } });

    expect(await scene.controller()(key, signal)).toEqual({ kind: 'done' });
    expect(scene.writes).toEqual([]);
  });
});

describe('a quota', () => {
  test('that is used up is told, and the clone tries again', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    const message = 'exceeded quota: storage, requested: 1Gi, used: 9Gi, limited: 9Gi';
    scene.intercept = ({ verb }) => {
      if (verb === 'create') throw new ApiError(message, { code: 403, reason: 'Forbidden' });
    };
    const reconcile = scene.controller();

    expect(await reconcile(key, signal)).toEqual({ kind: 'retry' });
    // The status was written for the version before the finalizer, so it comes with the next pass.
    scene.sync();
    expect(await reconcile(key, signal)).toEqual({ kind: 'retry' });
    expect(scene.volume.status?.phase).toBe('Pending');
    expect(scene.events).toMatchObject([{ reason: 'ErrExceededQuota', type: 'Warning', note: message }]);

    scene.intercept = () => undefined;
    scene.sync();
    await reconcile(key, signal);
    expect(scene.writes.at(-1)).toBe('create persistentvolumeclaims');
  });
});

describe('what admission put off', () => {
  test('is decided and written down once the source is there', async () => {
    const scene = await Scene.with(await stampedClone(keys, { ...wanted, strategy: null }));
    const reconcile = scene.controller();

    await reconcile(key, signal);

    const { [annotations.cloneType]: strategy, [annotations.decision]: record = '' } =
      scene.volume.metadata.annotations ?? {};
    expect(strategy).toBe('csi-clone');
    expect(JSON.parse(record)).toMatchObject({ outcome: 'chosen', strategy: 'csi-clone' });
    scene.sync();
    await reconcile(key, signal);
    expect(scene.writes.slice(1)).toEqual([hold, 'create persistentvolumeclaims']);
  });
});

test('a status that somebody else has just changed is looked at again', async () => {
  const scene = await Scene.with(plainClone(wanted));
  await scene.api.client().mergePatch(dataVolumes, ref, { metadata: { labels: { a: 'b' } } });

  expect(await scene.controller()(key, signal)).toEqual({ kind: 'retry' });
  expect(scene.events).toEqual([]);
});
