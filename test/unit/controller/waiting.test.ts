import { describe, expect, test } from 'vitest';
import type { Limits } from '../../../controller/waiting.ts';
import { annotations, type Strategy } from '../../../shared/api/names.ts';
import type { ReasonCode } from '../../../shared/api/reasons.ts';
import { standingOf } from '../../../shared/decision/fallback.ts';
import { claims, dataVolumes, pods } from '../../../shared/kube/resource.ts';
import { stampedClone } from '../../support/build/clones.ts';
import { elsewhere, key, keys, ref, Scene, signal, wanted } from './scene.ts';
import { claim, namespace, pod, storageClass } from './world.ts';

/** What becomes of a wait with time: a stall is told, the storage is asked, the next strategy is taken. */

const never: Limits = { stallAfter: 0, stallAfterConsumer: 0, fallbackAfter: 0 };
const minute = 60_000;

interface SceneOptions {
  readonly limits?: Partial<Limits>;
  /** What else admission held possible, in order. */
  readonly others?: readonly (readonly [Strategy, ReasonCode])[];
}

async function setup({ limits = {}, others = [] }: SceneOptions = {}): Promise<Scene> {
  const candidates = [
    { strategy: 'csi-clone', reason: 'Preferred', message: '' },
    ...others.map(([strategy, reason]) => ({ strategy, reason, message: '' })),
  ] as const;
  const scene = await Scene.with(await stampedClone(keys, { ...wanted, candidates }));
  scene.limits = { ...never, ...limits };
  return scene;
}

/** Passes until one finds nothing to do. @returns in how many milliseconds it wants to look again. */
async function settle(scene: Scene, reconcile = scene.controller()): Promise<number | undefined> {
  for (let pass = 0; pass < 10; pass += 1) {
    const before = scene.writes.length;
    const outcome = await reconcile(key, signal);
    scene.sync();
    if (scene.writes.length === before) return outcome.kind === 'after' ? outcome.ms : undefined;
  }
  throw new Error('it does not come to rest');
}

const conditionsOf = (scene: Scene) =>
  Object.fromEntries((scene.volume.status?.conditions ?? []).map((condition) => [condition.type, condition]));

function claimUid(scene: Scene): string {
  return scene.api.read(claims, ref).metadata.uid;
}

const failed = (uid: string, code: string, at = '2026-05-06T07:09:00Z') => ({
  metadata: { name: `failed-${code}`, namespace },
  type: 'Warning' as const,
  reason: 'ProvisioningFailed',
  note: `failed to provision volume with StorageClass "fast": rpc error: code = ${code} desc = the array says no`,
  regarding: { kind: 'PersistentVolumeClaim', namespace, name: 'target', uid },
  deprecatedLastTimestamp: at,
});

describe('a wait that lasts too long', () => {
  test('is told once, with what it waits for and the last event of that, and keeps its own reason', async () => {
    const scene = await setup({ limits: { stallAfter: 10 * minute } });
    await scene.create(pods, pod('vm'));
    scene.foreignEvents = [
      {
        reason: 'Old',
        type: 'Normal',
        note: 'long ago',
        regarding: { kind: 'Pod', name: 'vm' },
        eventTime: '2026-05-06T07:00:00Z',
      },
      {
        reason: 'Evicted',
        type: 'Warning',
        note: 'the node\nis full',
        regarding: { kind: 'Pod', name: 'vm' },
        eventTime: '2026-05-06T07:09:00Z',
      },
    ];
    const reconcile = scene.controller();

    expect(await settle(scene, reconcile)).toBe(10 * minute);
    await scene.clock.advance(10 * minute - 1000);
    expect(await settle(scene, reconcile)).toBe(1000);
    expect(scene.listed).toEqual([]);
    await scene.clock.advance(1000);
    expect(await settle(scene, reconcile)).toBeUndefined();

    const told =
      'for more than 10 minutes, PersistentVolumeClaim tenant/source is in use by pod tenant/vm, which may write to it; the last event of Pod tenant/vm: Warning Evicted: the node is full';
    expect(conditionsOf(scene)).toMatchObject({
      Running: { status: 'False', reason: 'CloneSourceInUse' },
      Ready: { status: 'False', reason: 'CloneStalled', message: told },
    });
    expect(scene.events.at(-1)).toMatchObject({ type: 'Warning', reason: 'CloneStalled', note: told });
    expect(scene.listed).toHaveLength(1);
    await scene.clock.advance(60 * minute);
    await settle(scene, reconcile);
    expect(scene.reasons).toEqual(['CloneSourceInUse', 'CloneStalled']);
    expect(await scene.metrics.registry.metrics()).toContain(
      'clonegate_clones_stalled_total{reason="CloneSourceInUse"} 1',
    );
  });

  test('has lasted since its reason, also for a controller that has just started', async () => {
    const scene = await setup({ limits: { stallAfter: 10 * minute } });
    scene.api.remove(claims, { namespace, name: 'source' });
    scene.sync();
    await settle(scene);
    await scene.clock.advance(6 * minute);

    expect(await settle(scene, scene.controller())).toBe(4 * minute);
    await scene.clock.advance(4 * minute);
    await settle(scene, scene.controller());
    expect(scene.reasons).toEqual(['CloneWithoutSource', 'CloneStalled']);
    await settle(scene, scene.controller());
    expect(scene.reasons).toEqual(['CloneWithoutSource', 'CloneStalled']);
  });

  test('is over with its reason: the next one has its own time', async () => {
    const scene = await setup({ limits: { stallAfter: 10 * minute } });
    scene.api.remove(claims, { namespace, name: 'source' });
    scene.sync();
    await settle(scene);
    await scene.clock.advance(20 * minute);
    await settle(scene);
    expect(conditionsOf(scene)['Ready']?.reason).toBe('CloneStalled');

    await scene.create(claims, claim('source'));
    await settle(scene);

    expect(conditionsOf(scene)['Ready']?.reason).toBe('CSICloneInProgress');
    expect(conditionsOf(scene)['Running']?.lastTransitionTime).toBe('2026-05-06T07:28:09Z');
  });

  test('for a first consumer has a limit of its own', async () => {
    const scene = await setup({ limits: { stallAfter: minute, stallAfterConsumer: 60 * minute } });
    scene.stores.storageClasses.upsert(storageClass({ volumeBindingMode: 'WaitForFirstConsumer' }));
    const reconcile = scene.controller();
    await settle(scene, reconcile);
    await scene.clock.advance(59 * minute);
    expect(await settle(scene, reconcile)).toBe(minute);
    expect(scene.reasons).toEqual(['WaitForFirstConsumer']);

    await scene.clock.advance(minute);
    await settle(scene, reconcile);
    expect(scene.reasons).toEqual(['WaitForFirstConsumer', 'CloneStalled']);
  });

  test('does not say what happens to objects of another namespace', async () => {
    const scene = await setup({ limits: { stallAfter: minute } });
    const source = { kind: 'PersistentVolumeClaim', namespace: elsewhere, name: 'disk' } as const;
    await scene.create(dataVolumes, await stampedClone(keys, { ...wanted, source, name: 'other' }));
    await scene.create(claims, claim('disk', { metadata: { namespace: elsewhere } }));
    await scene.create(pods, { ...pod('vm', 'disk'), metadata: { namespace: elsewhere, name: 'vm' } });
    scene.foreignEvents = [
      { reason: 'Secret', type: 'Warning', note: 'do not tell', regarding: { kind: 'Pod', name: 'vm' } },
    ];
    const reconcile = scene.controller();
    await reconcile('tenant/other', signal);
    scene.sync();
    await scene.clock.advance(2 * minute);
    await reconcile('tenant/other', signal);

    expect(scene.reasons).toEqual(['CloneSourceInUse', 'CloneStalled']);
    expect(scene.listed).toEqual([]);
    expect(JSON.stringify(scene.events)).not.toContain('do not tell');
  });

  test('counts no time that the clock has jumped back over', async () => {
    const scene = await setup({ limits: { stallAfter: 10 * minute } });
    scene.api.remove(claims, { namespace, name: 'source' });
    scene.sync();
    await settle(scene);
    scene.clock.jump(-60 * minute);

    expect(await settle(scene)).toBe(10 * minute);
    expect(scene.reasons).toEqual(['CloneWithoutSource']);
  });
});

describe('a storage that fails', () => {
  test('is not asked about by a list while clones take as long as clones do, and then ever more rarely', async () => {
    const scene = await setup();
    const reconcile = scene.controller();

    expect(await settle(scene, reconcile)).toBe(10_000);
    await scene.clock.advance(9999);
    await settle(scene, reconcile);
    expect(scene.listed).toEqual([]);
    await scene.clock.advance(1);
    expect(await settle(scene, reconcile)).toBe(10_000);
    expect(scene.listed).toEqual(['tenant reason=ProvisioningFailed']);
    await scene.clock.advance(10_000);
    expect(await settle(scene, reconcile)).toBe(20_000);
    await scene.clock.advance(20_000);
    expect(await settle(scene, reconcile)).toBe(40_000);
    expect(scene.listed).toHaveLength(3);
  });

  test('for good lets the clone go on with the next strategy: noted, told, and what was made before is gone first', async () => {
    const scene = await setup({
      others: [
        ['snapshot', 'NotPreferred'],
        ['copy', 'NotPreferred'],
      ],
    });
    const reconcile = scene.controller();
    await settle(scene, reconcile);
    scene.foreignEvents = [failed(claimUid(scene), 'InvalidArgument')];
    await scene.clock.advance(10_000);

    await reconcile(key, signal);
    scene.sync();

    const standing = standingOf(scene.volume.metadata.annotations);
    expect(standing?.strategy).toBe('snapshot');
    expect(standing?.fallbacks).toEqual([
      { from: 'csi-clone', to: 'snapshot', message: 'InvalidArgument: the array says no' },
    ]);
    expect(scene.events.at(-1)).toMatchObject({
      type: 'Warning',
      reason: 'CloneStrategyFallback',
      note: 'the storage failed at csi-clone: InvalidArgument: the array says no; the clone goes on by snapshot',
    });
    expect(await scene.metrics.registry.metrics()).toContain(
      'clonegate_clone_fallbacks_total{from="csi-clone",to="snapshot"} 1',
    );
    const from = scene.writes.length;
    await settle(scene, reconcile);
    expect(scene.writes.slice(from)).toEqual([
      'delete persistentvolumeclaims',
      'create volumesnapshots',
      'patch datavolumes SnapshotForSmartCloneInProgress',
    ]);
  });

  test('is still trusted after a restart: the stamp fits what admission had decided', async () => {
    const scene = await setup({ others: [['snapshot', 'NotPreferred']] });
    await settle(scene);
    scene.foreignEvents = [failed(claimUid(scene), 'Unimplemented')];
    await scene.clock.advance(10_000);
    await settle(scene);

    await settle(scene, scene.controller());

    expect(scene.reasons).not.toContain('CloneUnauthorized');
    expect(scene.volume.status?.phase).toBe('SnapshotForSmartCloneInProgress');
  });

  test.each(['Unavailable', 'ResourceExhausted', 'DeadlineExceeded', 'Internal', 'Aborted'])(
    'with %s may do better the next time, and is waited for',
    async (code) => {
      const scene = await setup({ others: [['snapshot', 'NotPreferred']] });
      const reconcile = scene.controller();
      await settle(scene, reconcile);
      scene.foreignEvents = [failed(claimUid(scene), code)];
      await scene.clock.advance(10_000);
      await settle(scene, reconcile);

      expect(scene.listed).toHaveLength(1);
      expect(scene.reasons).toEqual(['CSICloneInProgress']);
    },
  );

  test('for a claim of an earlier time has failed for that one only', async () => {
    const scene = await setup({ others: [['snapshot', 'NotPreferred']] });
    const reconcile = scene.controller();
    await settle(scene, reconcile);
    scene.foreignEvents = [failed('an-earlier-claim', 'InvalidArgument')];
    await scene.clock.advance(10_000);
    await settle(scene, reconcile);

    expect(scene.reasons).toEqual(['CSICloneInProgress']);
  });

  test('with nothing left to try fails the clone, and says why; a restart says the same', async () => {
    const scene = await setup({ others: [['copy', 'StrategyForbidden']] });
    const reconcile = scene.controller();
    await settle(scene, reconcile);
    scene.foreignEvents = [failed(claimUid(scene), 'OutOfRange')];
    await scene.clock.advance(10_000);
    await settle(scene, reconcile);

    expect(scene.volume.status?.phase).toBe('Failed');
    expect(conditionsOf(scene)['Running']).toMatchObject({
      reason: 'CloneFailed',
      message: 'the storage failed at csi-clone: OutOfRange: the array says no; there is no other strategy to try',
    });
    expect(scene.reasons).toEqual(['CSICloneInProgress', 'CloneFailed']);
    const writes = scene.writes.length;
    await settle(scene, scene.controller());
    expect(scene.writes).toHaveLength(writes);
    expect(await scene.metrics.registry.metrics()).toContain(
      'clonegate_clones_total{strategy="csi-clone",outcome="failed"} 1',
    );
  });

  test('and succeeds after all succeeds', async () => {
    const scene = await setup();
    const reconcile = scene.controller();
    await settle(scene, reconcile);
    scene.foreignEvents = [failed(claimUid(scene), 'OutOfRange')];
    await scene.clock.advance(10_000);
    await settle(scene, reconcile);
    await scene.bind();
    scene.sync();
    await settle(scene, reconcile);

    expect(scene.volume.status?.phase).toBe('Succeeded');
    expect(scene.reasons).toEqual(['CSICloneInProgress', 'CloneFailed', 'CloneSucceeded']);
  });

  test('to come to an end gives way to the next strategy after its time, where there is one', async () => {
    const scene = await setup({ limits: { fallbackAfter: 60 * minute }, others: [['snapshot', 'NotPreferred']] });
    await settle(scene);
    await scene.clock.advance(60 * minute);
    await settle(scene);

    expect(scene.events.find(({ reason }) => reason === 'CloneStrategyFallback')?.note).toBe(
      'the storage failed at csi-clone: it was not done after 60 minutes; the clone goes on by snapshot',
    );
  });

  test('to come to an end is waited for where nothing else is left', async () => {
    const scene = await setup({ limits: { fallbackAfter: 60 * minute, stallAfter: 10 * minute } });
    await settle(scene);
    await scene.clock.advance(60 * minute);
    await settle(scene);

    expect(scene.volume.status?.phase).toBe('CSICloneInProgress');
    expect(scene.reasons).toEqual(['CSICloneInProgress', 'CloneStalled']);
  });
});

describe('many claims of one namespace', () => {
  test('are asked about by one list', async () => {
    const scene = await setup();
    await scene.create(dataVolumes, await stampedClone(keys, { ...wanted, name: 'second' }));
    const reconcile = scene.controller();
    for (const name of [key, 'tenant/second']) {
      await reconcile(name, signal);
      scene.sync();
      await reconcile(name, signal);
      scene.sync();
    }
    await scene.clock.advance(11_000);
    await Promise.all([reconcile(key, signal), reconcile('tenant/second', signal)]);

    expect(scene.listed).toEqual(['tenant reason=ProvisioningFailed']);
    expect(scene.api.list(dataVolumes, namespace)).toHaveLength(2);
  });
});

test('the annotation that says how to clone follows the fallback', async () => {
  const scene = await setup({ others: [['snapshot', 'NotPreferred']] });
  await settle(scene);
  scene.foreignEvents = [failed(claimUid(scene), 'NotFound')];
  await scene.clock.advance(10_000);
  await settle(scene);

  expect(scene.volume.metadata.annotations?.[annotations.cloneType]).toBe('snapshot');
});
