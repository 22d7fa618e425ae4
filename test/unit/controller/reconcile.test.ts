import { describe, expect, test } from 'vitest';
import { patience } from '../../../controller/expectations.ts';
import { annotations, finalizer } from '../../../shared/api/names.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { claims, dataVolumes } from '../../../shared/kube/resource.ts';

import { plainClone, stampedClone } from '../../support/build/clones.ts';
import { elsewhere, key, keys, ref, Scene, signal, wanted } from './scene.ts';
import { claim, namespace } from './world.ts';

const hold = `patch datavolumes finalizers ["${finalizer}"]`;
const release = 'patch datavolumes finalizers []';

describe('a clone', () => {
  test('takes five writes, one question and two events from beginning to end', async () => {
    const scene = await Scene.with(await stampedClone(keys, wanted));
    const reconcile = scene.controller();

    expect(await reconcile(key, signal)).toEqual({ kind: 'after', ms: patience });
    scene.sync();
    expect(await reconcile(key, signal)).toEqual({ kind: 'after', ms: 10_000 });
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

describe('a namespace that cannot be looked into', () => {
  const source = { kind: 'PersistentVolumeClaim', namespace: elsewhere, name: 'disk' } as const;

  async function across(): Promise<Scene> {
    const scene = await Scene.with(await stampedClone(keys, { ...wanted, source }));
    await scene.create(claims, claim('disk', { metadata: { namespace: elsewhere } }));
    return scene;
  }

  test('keeps a clone from it waiting, told once, and nobody is asked; it goes on when it can be', async () => {
    const scene = await across();
    scene.closed.add(elsewhere);
    const reconcile = scene.controller();

    expect(await reconcile(key, signal)).toEqual({ kind: 'done' });
    scene.sync();
    await reconcile(key, signal);
    expect(scene.writes).toEqual(['patch datavolumes Pending']);
    expect(scene.asked).toEqual([]);
    expect(scene.events).toMatchObject([
      { reason: 'NamespaceNotServed', note: `the source cannot be looked at: namespace ${elsewhere} is closed` },
    ]);

    scene.closed.clear();
    scene.sync();
    await reconcile(key, signal);
    expect([scene.asked.length, scene.writes[1]]).toEqual([1, hold]);
  });

  test('keeps no DataVolume from being deleted that clones from it', async () => {
    const stamped = await stampedClone(keys, { ...wanted, source });
    const metadata = { ...stamped.metadata, finalizers: [finalizer], deletionTimestamp: '2026-05-06T07:08:10Z' };
    const scene = await Scene.with({ ...stamped, metadata });
    scene.closed.add(elsewhere);

    await scene.controller()(key, signal);

    expect(scene.writes).toEqual([release]);
  });

  test('is left alone with its DataVolumes: what is seen of it may be a part', async () => {
    const scene = await across();
    scene.closed.add(namespace);

    expect(await scene.controller()(key, signal)).toEqual({ kind: 'done' });
    expect([scene.writes, scene.asked, scene.events]).toEqual([[], [], []]);
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

describe('a limit', () => {
  test('holds for a DataVolume that was made with our finalizer on it, too', async () => {
    const volume = await stampedClone(keys, wanted);
    const scene = await Scene.with({ ...volume, metadata: { ...volume.metadata, finalizers: [finalizer] } });
    scene.turns = { perSource: 1, perStorageClass: 0, copiesPerStorageClass: 0 };
    const other = await stampedClone(keys, { ...wanted, name: 'other' });
    const underWay = { ...other.metadata, finalizers: [finalizer] };
    await scene.create(dataVolumes, { ...other, metadata: underWay, status: { phase: 'CSICloneInProgress' } });

    await scene.controller()(key, signal);

    expect(scene.reasons).toEqual(['CloneQueued']);
    expect(scene.writes).toEqual(['patch datavolumes CloneScheduled']);
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
