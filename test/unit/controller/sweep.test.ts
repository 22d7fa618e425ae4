import { describe, expect, test } from 'vitest';
import { copyPodName, exportPodName, helperName, snapshotName, temporaryName } from '../../../controller/children.ts';
import { runSweeper, type SweepOptions, sweep } from '../../../controller/sweep.ts';
import { annotations, finalizer, labels } from '../../../shared/api/names.ts';
import type { KubeObject, PersistentVolume, Stored } from '../../../shared/api/objects.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import { claims, persistentVolumes, pods, type Resource, volumeSnapshots } from '../../../shared/kube/resource.ts';
import { createServed } from '../../../shared/kube/served.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import { MemoryApi } from '../../support/memory-client.ts';
import { volume, type World, world } from './world.ts';

/** What clones left behind whose DataVolume is gone, and above all what is none of that. */

const signal = new AbortController().signal;
const gone = 'uid-of-a-deleted-one';
const marks = (uid: string) => ({ [labels.ownerUid]: uid, [labels.managedBy]: 'clonegate' });

class Scene {
  readonly api = new MemoryApi();
  readonly stores: World = world();
  readonly clock = new FakeClock();
  readonly events: Emission[] = [];
  readonly metrics = createMetrics({ process: false });
  served: SweepOptions['served'] = createServed([]);
  mode: SweepOptions['mode'] = 'remove';
  /** How often all DataVolumes were read. */
  lists = 0;
  /** What that finds. */
  alive: readonly string[] = [];
  /** What those have that it finds. */
  finalizers: readonly string[] = [finalizer];
  broken: Error | undefined;

  get options(): SweepOptions {
    const { stores, mode, clock, metrics } = this;
    const client = this.api.client();
    return {
      client: { ...client, pages: () => this.#volumes() },
      stores,
      served: this.served,
      self: { namespace: 'clonegate-system', podName: 'controller-1' },
      mode,
      recorder: { emit: (emission) => this.events.push(emission) },
      clock,
      log: createLogger({ level: 'silent', name: 'test' }),
      metrics,
    };
  }

  async *#volumes() {
    this.lists += 1;
    if (this.broken !== undefined) throw this.broken;
    // It asks for DataVolumes.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    yield {
      items: this.alive.map((uid) => volume({ metadata: { uid, finalizers: this.finalizers } })) as never[],
      resourceVersion: '1',
    };
  }

  async put<T extends KubeObject>(kind: Resource<T>, object: T): Promise<Stored<T>> {
    const made = await this.api.client().create(kind, object);
    const { claims: heldClaims, snapshots, pods: heldPods, persistentVolumes: volumes } = this.stores;
    const stores: Readonly<Record<string, { upsert: (object: never) => void }>> = {
      [claims.plural]: heldClaims,
      [volumeSnapshots.plural]: snapshots,
      [pods.plural]: heldPods,
      [persistentVolumes.plural]: volumes,
    };
    stores[kind.plural]?.upsert(made as never);
    return made;
  }

  left(): readonly string[] {
    return [claims, volumeSnapshots, pods].flatMap((kind) =>
      this.api.list<KubeObject>(kind, 'source-ns').map(({ metadata }) => metadata.name),
    );
  }

  get writes(): readonly string[] {
    return this.api.calls
      .filter(({ verb }) => verb === 'patch' || verb === 'delete')
      .map(({ verb, name }) => `${verb} ${name}`);
  }
}

const child = (name: string, uid = gone): KubeObject => ({
  metadata: { namespace: 'source-ns', name, labels: marks(uid) },
});

async function withOrphans(): Promise<Scene> {
  const scene = new Scene();
  await scene.put(pods, child(helperName(gone)));
  await scene.put(claims, child(temporaryName(gone)));
  await scene.put(volumeSnapshots, child(snapshotName(gone)));
  scene.api.calls.length = 0;
  return scene;
}

describe('a sweep', () => {
  test('knows both pods of a copy', async () => {
    const scene = new Scene();
    await scene.put(pods, child(copyPodName(gone)));
    await scene.put(pods, child(exportPodName(gone)));

    await sweep(scene.options, signal);

    expect(scene.left()).toEqual([]);
  });

  test('removes what is left of a clone whose DataVolume is gone, and tells where it was', async () => {
    const scene = await withOrphans();

    await sweep(scene.options, signal);

    expect(scene.left()).toEqual([]);
    expect(
      scene.events.map(({ namespace, reason, regarding, note }) => [namespace, reason, regarding.kind, note]),
    ).toEqual([
      [
        'source-ns',
        'OrphanRemoved',
        'Pod',
        `Pod source-ns/clonegate-pod-${gone} was made for a clone whose DataVolume does not exist any more`,
      ],
      [
        'source-ns',
        'OrphanRemoved',
        'PersistentVolumeClaim',
        `PersistentVolumeClaim source-ns/clonegate-${gone} was made for a clone whose DataVolume does not exist any more`,
      ],
      [
        'source-ns',
        'OrphanRemoved',
        'VolumeSnapshot',
        `VolumeSnapshot source-ns/clonegate-snap-${gone} was made for a clone whose DataVolume does not exist any more`,
      ],
    ]);
    expect(await scene.metrics.registry.metrics()).toContain(
      'clonegate_orphaned_resources{kind="PersistentVolumeClaim"} 0',
    );
  });

  test('only reports where that is all it may do', async () => {
    const scene = await withOrphans();
    scene.mode = 'report';

    await sweep(scene.options, signal);

    expect(scene.left()).toHaveLength(3);
    expect(scene.events.map(({ reason }) => reason)).toEqual(['OrphanFound', 'OrphanFound', 'OrphanFound']);
    expect(await scene.metrics.registry.metrics()).toContain(
      'clonegate_orphaned_resources{kind="PersistentVolumeClaim"} 1',
    );
  });

  test('gives a volume that was on its way its policy back, and removes none', async () => {
    const scene = new Scene();
    const volumeOnItsWay: PersistentVolume = {
      metadata: { name: 'pv-1', labels: marks(gone), annotations: { [annotations.reclaimPolicy]: 'Delete' } },
      spec: { persistentVolumeReclaimPolicy: 'Retain' },
    };
    await scene.put(persistentVolumes, volumeOnItsWay);

    await sweep(scene.options, signal);

    expect(scene.writes).toEqual(['patch pv-1']);
    const { metadata, spec } = scene.api.read(persistentVolumes, { name: 'pv-1' });
    expect(spec?.persistentVolumeReclaimPolicy).toBe('Delete');
    expect(metadata.labels).toEqual({ [labels.managedBy]: 'clonegate' });
    expect(scene.events[0]?.namespace).toBe('default');
  });

  test('asks for nothing when nothing is suspicious', async () => {
    const scene = new Scene();
    scene.stores.volumes.upsert(volume({ metadata: { uid: 'living' } }));
    await scene.put(claims, child(temporaryName('living'), 'living'));
    scene.api.calls.length = 0;

    await sweep(scene.options, signal);

    expect([scene.lists, scene.api.calls.length]).toEqual([0, 0]);
  });
});

describe('a sweep touches nothing', () => {
  test('whose DataVolume exists, even if its store has not seen it yet', async () => {
    const scene = await withOrphans();
    scene.alive = [gone];

    await sweep(scene.options, signal);

    expect([scene.left().length, scene.writes, scene.lists]).toEqual([3, [], 1]);
  });

  test.each<[string, KubeObject]>([
    ['a target claim that its owner kept when the DataVolume was deleted', child('disk')],
    [
      'what somebody has marked like one of ours',
      { metadata: { namespace: 'source-ns', name: 'theirs', labels: { [labels.ownerUid]: gone } } },
    ],
    ['what only has the name of a child', { metadata: { namespace: 'source-ns', name: temporaryName(gone) } }],
    [
      'a child of another under its name',
      { metadata: { namespace: 'source-ns', name: temporaryName('other'), labels: marks(gone) } },
    ],
  ])('such as %s', async (_name, object) => {
    const scene = new Scene();
    await scene.put(claims, object);

    await sweep(scene.options, signal);

    expect([scene.left(), scene.writes]).toEqual([[object.metadata.name], []]);
  });

  test('that was made again under the same name since it was seen', async () => {
    const scene = await withOrphans();
    scene.api.remove(claims, { namespace: 'source-ns', name: temporaryName(gone) });
    await scene.api.client().create(claims, child(temporaryName(gone)));

    await sweep(scene.options, signal);

    expect(scene.left()).toEqual([temporaryName(gone)]);
  });

  test('when it cannot be found out which DataVolumes there are', async () => {
    const scene = await withOrphans();
    scene.broken = new ApiError('no answer', { code: 0, reason: 'Unreachable' });

    await expect(sweep(scene.options, signal)).rejects.toThrow('no answer');
    expect(scene.left()).toHaveLength(3);
  });
});

describe('where only some namespaces are served, a sweep', () => {
  const onItsWay = (claimRef?: { namespace: string; name: string }): PersistentVolume => ({
    metadata: { name: 'pv-1', labels: marks(gone), annotations: { [annotations.reclaimPolicy]: 'Delete' } },
    spec: { persistentVolumeReclaimPolicy: 'Retain', ...(claimRef === undefined ? {} : { claimRef }) },
  });

  test('removes what is left in them', async () => {
    const scene = await withOrphans();
    scene.served = createServed(['source-ns', 'tenant']);

    await sweep(scene.options, signal);

    expect([scene.left(), scene.lists]).toEqual([[], 2]);
  });

  test.each([
    ['elsewhere', { namespace: 'of-another', name: 'disk' }],
    ['nowhere', undefined],
  ])('leaves a volume alone whose claim is %s', async (_name, claimRef) => {
    const scene = new Scene();
    scene.served = createServed(['source-ns']);
    await scene.put(persistentVolumes, onItsWay(claimRef));

    await sweep(scene.options, signal);

    expect([scene.writes, scene.events, scene.lists]).toEqual([[], [], 0]);
  });

  test('tells of a volume in our own namespace, for `default` may be closed to us', async () => {
    const scene = new Scene();
    scene.served = createServed(['source-ns']);
    await scene.put(persistentVolumes, onItsWay({ namespace: 'source-ns', name: 'temporary' }));

    await sweep(scene.options, signal);

    expect(scene.writes).toEqual(['patch pv-1']);
    expect(scene.events).toMatchObject([
      {
        namespace: 'clonegate-system',
        regarding: { kind: 'Pod', namespace: 'clonegate-system', name: 'controller-1' },
        related: { kind: 'PersistentVolume', name: 'pv-1' },
      },
    ]);
  });

  test('touches nothing as long as one of them is closed: the DataVolumes may be there', async () => {
    const scene = await withOrphans();
    const closed = createServed(['source-ns', 'tenant']);
    closed.add({ namespace: 'tenant', isOpen: () => false });
    scene.served = closed;

    await expect(sweep(scene.options, signal)).rejects.toThrow('namespace tenant does not exist, or no role');

    expect([scene.left().length, scene.lists]).toEqual([3, 0]);
  });
});

describe('the sweeper', () => {
  test('sweeps at once and every hour, whatever goes wrong, until it is stopped', async () => {
    const scene = await withOrphans();
    scene.broken = new Error('a mistake');
    const ending = new AbortController();
    const running = runSweeper(scene.options, ending.signal);
    await settle();
    expect([scene.lists, scene.left().length]).toEqual([1, 3]);

    scene.broken = undefined;
    await scene.clock.advance(3_599_999);
    expect(scene.lists).toBe(1);
    await scene.clock.advance(1);
    expect([scene.lists, scene.left().length]).toEqual([2, 0]);
    ending.abort();
    await running;
    expect(scene.clock.sleeping).toBe(0);
  });

  test('that is switched off does nothing', async () => {
    const scene = await withOrphans();
    scene.mode = 'off';

    await runSweeper(scene.options, signal);

    expect([scene.lists, scene.left().length]).toEqual([0, 3]);
  });
});

describe('a snapshot that several share', () => {
  const [taker, sharer] = ['uid-of-the-one-that-took-it', 'uid-of-another'] as const;

  async function shared(): Promise<Scene> {
    const scene = new Scene();
    const { metadata } = child(snapshotName(taker), taker);
    const annotated = { ...metadata, annotations: { [annotations.snapshotFor]: `${taker} ${sharer}` } };
    await scene.put(volumeSnapshots, { metadata: annotated });
    return scene;
  }

  test('is left to whoever has not come to his end, though the one that took it is gone', async () => {
    const scene = await shared();
    scene.alive = [sharer];

    await sweep(scene.options, signal);

    expect(scene.left()).toEqual([snapshotName(taker)]);
  });

  test('is removed when all who are left have come to their end', async () => {
    const scene = await shared();
    scene.alive = [taker, sharer];
    scene.finalizers = [];

    await sweep(scene.options, signal);

    expect(scene.left()).toEqual([]);
  });
});
