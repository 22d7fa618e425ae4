import { describe, expect, test } from 'vitest';
import { childLabels, copyPodName, exportPodName, ownerUidOf } from '../../../../controller/children.ts';
import { avoidedBy, createPlaces } from '../../../../controller/copy/places.ts';
import type { Effect } from '../../../../controller/effects.ts';
import { patience } from '../../../../controller/expectations.ts';
import type { DataVolume } from '../../../../shared/api/datavolume.ts';
import { annotations, finalizer } from '../../../../shared/api/names.ts';
import type { Stored } from '../../../../shared/api/objects.ts';
import type { Pod, PodStatus } from '../../../../shared/api/pod.ts';
import { pods } from '../../../../shared/kube/resource.ts';
import { FakeClock } from '../../../support/clock.ts';
import { created, meta, type VolumeOptions, volume, type World, world } from '../world.ts';

const placesOf = (stores: World, limit: number, asking: string) =>
  createPlaces(stores, limit, new FakeClock()).of(asking);

/** Pods of copies of as many DataVolumes, in the stores as the watch brings them. */

interface Wish {
  readonly node?: string;
  readonly status?: PodStatus;
  readonly name?: (uid: string) => string;
  readonly going?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

function pod(uid: string, { node, status = {}, name = copyPodName, going = false, labels }: Wish = {}): Stored<Pod> {
  return {
    metadata: {
      ...meta(name(uid)),
      labels: labels ?? childLabels(uid),
      ...(going ? { deletionTimestamp: created } : {}),
    },
    spec: {
      ...(node === undefined ? {} : { nodeName: node }),
      volumes: [{ name: 'destination', persistentVolumeClaim: { claimName: uid } }],
      containers: [{ name: 'copy' }],
    },
    status,
  };
}

function copyOf(uid: string, more: VolumeOptions = {}): Stored<DataVolume> {
  const { metadata, ...rest } = more;
  return volume({ strategy: 'copy', metadata: { name: uid, uid, finalizers: [finalizer], ...metadata }, ...rest });
}

/** With the DataVolumes that the pods are of. */
function worldWith(...pods: readonly Stored<Pod>[]): World {
  const stores = world();
  for (const one of pods) {
    stores.volumes.upsert(copyOf(ownerUidOf(one) ?? 'none'));
    stores.pods.upsert(one);
  }
  return stores;
}

const placed = { type: 'PodScheduled', status: 'True' };
const refused = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no' };

describe('a node is full', () => {
  const onNode = (count: number, more: Wish = {}) =>
    Array.from({ length: count }, (_, at) => pod(`${at}`, { node: 'node-1', ...more }));

  test('with as many pods of copies as it may run', () => {
    expect(placesOf(worldWith(...onNode(1)), 2, 'x').full).toEqual([]);
    expect(placesOf(worldWith(...onNode(2)), 2, 'x').full).toEqual(['node-1']);
    expect(placesOf(worldWith(...onNode(2), pod('z', { node: 'node-0' })), 1, 'x').full).toEqual(['node-0', 'node-1']);
  });

  test('and those that are ending', () => {
    const stores = worldWith(pod('b', { node: 'node-1', going: true, status: { phase: 'Running' } }));
    expect(placesOf(stores, 1, 'x').full).toEqual(['node-1']);
  });

  test.each<[string, Wish]>([
    ['have ended', { status: { phase: 'Succeeded' } }],
    ['have failed', { status: { phase: 'Failed' } }],
    ['only hand out', { name: exportPodName }],
    ['are not ours', { labels: {} }],
    ['only have our labels', { name: () => 'another' }],
  ])('but not with those that %s', (_name, more) => {
    expect(placesOf(worldWith(...onNode(1, more)), 1, 'x').full).toEqual([]);
  });

  test('never where any number may run', () => {
    expect(placesOf(worldWith(...onNode(9), pod('z')), 0, 'x')).toEqual({ full: [], moving: false });
  });
});

describe('nobody knows where a pod goes', () => {
  test.each<[string, Wish, boolean]>([
    ['that has no node yet', {}, true],
    ['that the scheduler has not looked at', { status: { phase: 'Pending' } }, true],
    ['that has one', { node: 'node-1', status: { conditions: [placed] } }, false],
    ['that none takes', { status: { conditions: [refused] } }, false],
    ['that goes', { going: true }, false],
    ['that has ended', { status: { phase: 'Failed' } }, false],
  ])('%s', (_name, wish, moving) => {
    expect(placesOf(worldWith(pod('a', wish)), 2, 'x').moving).toBe(moving);
  });

  test('but who asks waits for no pod of his own', () => {
    expect(placesOf(worldWith(pod('a')), 2, 'a').moving).toBe(false);
  });
});

describe('whoever may make pods keeps nobody from copying', () => {
  const node = 'node-1';

  test.each<[string, VolumeOptions | undefined]>([
    ['a clone that does not exist', undefined],
    ['one that has not begun', { metadata: { finalizers: [] } }],
    ['one that takes another strategy', { strategy: 'snapshot' }],
    ['one from another namespace', { spec: { source: { pvc: { namespace: 'golden', name: 'source' } } } }],
  ])('by a pod with the marks of %s', (_name, options) => {
    const stores = world();
    if (options !== undefined) stores.volumes.upsert(copyOf('a', options));
    stores.pods.upsert(pod('a'));
    expect(placesOf(stores, 1, 'x')).toEqual({ full: [], moving: false });
    stores.pods.upsert({ ...pod('a', { node }), metadata: { ...pod('a').metadata, resourceVersion: '11' } });
    expect(placesOf(stores, 1, 'x')).toEqual({ full: [], moving: false });
  });

  test('by a pod that no scheduler looks at, nor by one such pod after the other', async () => {
    const clock = new FakeClock();
    const stores = worldWith(pod('a'));
    const places = createPlaces(stores, 2, clock);
    const isMoving = (): boolean => places.of('x').moving;
    expect(isMoving()).toBe(true);
    await clock.advance(20_000);
    expect(isMoving()).toBe(true);
    stores.pods.replace([]);
    expect(isMoving()).toBe(false);
    const again = pod('a');
    stores.pods.upsert({ ...again, metadata: { ...again.metadata, uid: 'again' } });
    expect(isMoving()).toBe(true);
    await clock.advance(9999);
    expect(isMoving()).toBe(true);
    await clock.advance(1);
    expect(isMoving()).toBe(false);
  });
});

describe('a pod that is being made', () => {
  const making: Effect = { kind: 'create', resource: pods, object: pod('a'), ownerUid: 'a' };

  test('is waited for until the stores show it', () => {
    const stores = world();
    stores.volumes.upsert(copyOf('a'));
    const places = createPlaces(stores, 2, new FakeClock());
    places.begins('a', [making]);
    expect(places.of('x').moving).toBe(true);
    expect(places.of('a').moving).toBe(false);
    stores.pods.upsert(pod('a', { node: 'node-1' }));
    expect(places.of('x').moving).toBe(false);
    stores.pods.replace([]);
    expect(places.of('x').moving).toBe(false);
  });

  test('or nothing has come of it, or that has taken too long', async () => {
    const clock = new FakeClock();
    const places = createPlaces(world(), 2, clock);
    places.begins('a', [making]);
    places.fails('a');
    expect(places.of('x').moving).toBe(false);
    places.begins('a', [making]);
    await clock.advance(patience);
    expect(places.of('x').moving).toBe(false);
  });

  test('is the copy pod, and no other object of a clone', () => {
    const places = createPlaces(world(), 2, new FakeClock());
    places.begins('a', [{ ...making, object: pod('a', { name: exportPodName }) }]);
    places.begins('b', [{ kind: 'delete', resource: pods, ref: { name: copyPodName('b') }, uid: 'b' }]);
    expect(places.of('x').moving).toBe(false);
  });
});

test('a pod tells which nodes it was kept from', () => {
  expect(avoidedBy(pod('a'))).toEqual([]);
  const noted = { metadata: { annotations: { [annotations.avoidsNodes]: 'node-1 node-2' } } };
  expect(avoidedBy(noted)).toEqual(['node-1', 'node-2']);
});
