import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isResting } from '../../../controller/resting.ts';
import { createStores } from '../../../controller/stores.ts';
import { createTurns, type TurnLimits } from '../../../controller/turns.ts';
import type { DataVolume, DataVolumeStatus } from '../../../shared/api/datavolume.ts';
import { finalizer } from '../../../shared/api/names.ts';
import { keyOf, type Stored } from '../../../shared/api/objects.ts';
import { generateStampKeys } from '../../../shared/trust/keys.ts';
import { stampedClone } from '../../support/build/clones.ts';
import { observed, storageClass, volume, type World, world } from './world.ts';

/** Who may begin, and who waits for whom. */

interface One {
  readonly namespace?: string;
  readonly name: string;
  /** Seconds after the others. */
  readonly age?: number;
  readonly held?: boolean;
  readonly status?: DataVolumeStatus;
  readonly storageClassName?: string;
  readonly source?: string;
  readonly strategy?: 'csi-clone' | 'copy';
}

const queued: DataVolumeStatus = {
  phase: 'CloneScheduled',
  conditions: [{ type: 'Running', status: 'False', reason: 'CloneQueued' }],
};

const stuck: DataVolumeStatus = {
  phase: 'CloneScheduled',
  conditions: [{ type: 'Ready', status: 'False', reason: 'CloneStalled' }],
};

function clone({ namespace = 'tenant', name, age = 0, held = false, status, ...more }: One): Stored<DataVolume> {
  const { storageClassName = 'fast', source = 'source', strategy = 'csi-clone' } = more;
  const creationTimestamp = new Date(Date.parse('2026-01-02T03:04:05Z') + age * 1000).toISOString();
  return volume({
    strategy,
    metadata: {
      namespace,
      name,
      uid: `uid-${namespace}-${name}`,
      creationTimestamp,
      resourceVersion: JSON.stringify(status ?? {}),
      ...(held ? { finalizers: [finalizer] } : {}),
    },
    ...(status === undefined ? {} : { status }),
    spec: {
      source: { pvc: { namespace: 'tenant', name: source } },
      pvc: { accessModes: ['ReadWriteOnce'], ...(storageClassName === '' ? {} : { storageClassName }) },
    },
  });
}

function setup(clones: readonly One[], limits: Partial<TurnLimits> = {}) {
  const stores = world();
  for (const one of clones) stores.volumes.upsert(clone(one));
  const turns = createTurns(stores, { perSource: 0, perStorageClass: 0, copiesPerStorageClass: 0, ...limits });
  const place = (name: string, namespace = 'tenant'): string => {
    const key = `${namespace}/${name}`;
    const dataVolume = stores.volumes.get(key);
    if (dataVolume === undefined || isResting(dataVolume)) throw new Error(`there is no ${key}`);
    const wait = turns.wait(key, observed(stores, dataVolume));
    return wait === undefined ? 'begins' : wait.message.replace(/^.*; /, '');
  };
  return { stores, turns, place };
}

const begun = (name: string, more: Partial<One> = {}): One => ({
  name,
  held: true,
  status: { phase: 'CSICloneInProgress' },
  ...more,
});

describe('a clone begins', () => {
  test('when there is no limit, however many there are', () => {
    const { place } = setup([begun('a'), begun('b'), { name: 'c' }]);

    expect(place('c')).toBe('begins');
  });

  test('when fewer of its source are under way than may be', () => {
    const { place } = setup([begun('a'), { name: 'c', age: 1 }], { perSource: 2 });

    expect(place('c')).toBe('begins');
  });

  test('by copy when fewer copies into its class are under way than may be, whatever else goes there', () => {
    const { place } = setup([begun('a'), begun('b', { strategy: 'copy' }), { name: 'c', age: 1, strategy: 'copy' }], {
      copiesPerStorageClass: 2,
    });
    expect(place('c')).toBe('begins');
  });

  test('by copy in its turn, and by another strategy at once', () => {
    const others = [begun('a', { strategy: 'copy' }), begun('b', { strategy: 'copy' })];
    const { place } = setup([...others, { name: 'c', age: 1, strategy: 'copy' }, { name: 'd', age: 2 }], {
      copiesPerStorageClass: 2,
    });
    expect([place('c'), place('d')]).toEqual(['place 1 in the queue', 'begins']);
  });

  test.each<[string, One]>([
    ['that is complete', begun('a', { status: { phase: 'Succeeded' } })],
    ['that has failed', begun('a', { status: { phase: 'Failed' } })],
    ['that has waited for so long, before anything was done, that it was told', begun('a', { status: stuck })],
    [
      'whose user has put the finalizer on it and who has no right to anything',
      begun('a', {
        status: { phase: 'Pending', conditions: [{ type: 'Running', status: 'False', reason: 'NotFound' }] },
      }),
    ],
    ['that waits for its first consumer', begun('a', { status: { phase: 'WaitForFirstConsumer' } })],
    ['of another source', begun('a', { source: 'other' })],
    ['that waits for something else', { name: 'a', status: { phase: 'CloneScheduled', conditions: [] } }],
  ])('beside one %s', (_name, other) => {
    const { place } = setup([other, { name: 'c', age: 1 }], { perSource: 1 });

    expect(place('c')).toBe('begins');
  });

  test('also when all have the finalizer already, by the hand of their users', () => {
    const both = [begun('a', { status: queued }), begun('b', { age: 1, status: queued })];
    const { place } = setup(both, { perSource: 1 });

    expect([place('a'), place('b')]).toEqual(['begins', 'place 1 in the queue']);
  });

  test('once it has its turn, and is counted although nobody can see it yet', () => {
    const { place, turns } = setup([{ name: 'a' }, { name: 'b', age: 1 }], { perSource: 1 });

    expect([place('a'), place('b')]).toEqual(['begins', 'place 1 in the queue']);
    turns.seen('tenant/a');
    expect(place('b')).toBe('place 1 in the queue');
  });
});

describe('a clone waits', () => {
  test('behind those under way and those before it, and is told its place', () => {
    const clones = [begun('a'), begun('b'), { name: 'c', age: 2, status: queued }, { name: 'd', age: 3 }];
    const { stores, turns } = setup(clones, { perSource: 2 });
    const wait = turns.wait('tenant/d', observed(stores, clone({ name: 'd', age: 3 })));

    expect(wait).toEqual({
      phase: 'CloneScheduled',
      reason: 'CloneQueued',
      type: 'Normal',
      message: '2 clones of PersistentVolumeClaim tenant/source are under way, as many as may be; place 2 in the queue',
      again: 10_000,
    });
  });

  test('for the class as for the source, also when it is the default that nobody names', () => {
    const clones = [begun('a', { source: 'x', storageClassName: '' }), { name: 'c', age: 1 }];
    const { stores, turns } = setup(clones, { perStorageClass: 1 });

    expect(turns.wait('tenant/c', observed(stores, clone({ name: 'c', age: 1 })))?.message).toBe(
      '1 clones into StorageClass fast are under way, as many as may be; place 1 in the queue',
    );
    stores.storageClasses.upsert({ ...storageClass(), metadata: { name: 'fast', uid: 'u', resourceVersion: '2' } });
    expect(turns.wait('tenant/c', observed(stores, clone({ name: 'c', age: 1 })))).toBeUndefined();
  });

  test('longer between two looks the farther back it is', () => {
    const clones = Array.from({ length: 40 }, (_, age): One => ({ name: `c${age}`, age, status: queued }));
    const { stores, turns } = setup([begun('a'), ...clones], { perSource: 1 });
    const again = (age: number) =>
      turns.wait(`tenant/c${age}`, observed(stores, clone({ name: `c${age}`, age })))?.again;

    expect([again(0), again(19), again(39)]).toEqual([10_000, 40_000, 80_000]);
  });

  test('for the oldest of its namespace, and for its namespace to have its turn', () => {
    const crowd = Array.from(
      { length: 30 },
      (_, age): One => ({ namespace: 'crowd', name: `c${age}`, age, status: queued }),
    );
    const late: One = { namespace: 'small', name: 'late', age: 99, status: queued };
    const { place } = setup([begun('a', { namespace: 'crowd' }), ...crowd, late], { perSource: 1 });

    expect(place('late', 'small')).toBe('place 1 in the queue');
    expect(place('c0', 'crowd')).toBe('place 2 in the queue');
    expect(place('c29', 'crowd')).toBe('place 31 in the queue');
  });
});

test('the order is the same for every controller, and nobody is passed over', () => {
  const one = fc.record({
    namespace: fc.constantFrom('x', 'y', 'z'),
    name: fc.integer({ min: 0, max: 30 }).map((n) => `n${n}`),
    age: fc.integer({ min: 0, max: 5 }),
    held: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(one, { selector: (each) => `${each.namespace}/${each.name}`, maxLength: 25 }),
      fc.integer({ min: 1, max: 5 }),
      (all, perSource) => {
        const clones = all.map(
          (each): One => ({ ...each, status: each.held ? { phase: 'CSICloneInProgress' } : queued }),
        );
        const placeOf = (each: One): number => {
          const { place } = setup(clones, { perSource });
          const text = place(each.name, each.namespace);
          return text === 'begins' ? 0 : Number(/\d+/.exec(text)?.[0]);
        };
        const waiting = clones.filter(({ held }) => held !== true);
        const underWay = clones.length - waiting.length;
        const places = waiting.map(placeOf).toSorted((a, b) => a - b);
        const expected = waiting.map((_, index) => Math.max(0, underWay + index - perSource + 1));
        expect(places).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

describe('the end of a clone', () => {
  const wakes = (change: (stores: World) => void, clones: readonly One[]): readonly string[] => {
    const { stores, turns } = setup(clones, { perSource: 1 });
    const woken: string[] = [];
    const end = turns.subscribe((key) => woken.push(key));
    change(stores);
    end();
    stores.volumes.upsert(clone(begun('later')));
    stores.volumes.delete(clone(begun('later')));
    return [...new Set(woken)];
  };
  const waiting: readonly One[] = [
    { name: 'second', age: 2, status: queued },
    { name: 'first', age: 1, status: queued },
  ];

  test.each<[string, (stores: World) => void]>([
    ['success', (stores) => stores.volumes.upsert(clone(begun('a', { status: { phase: 'Succeeded' } })))],
    ['failure', (stores) => stores.volumes.upsert(clone(begun('a', { status: { phase: 'Failed' } })))],
    ['deletion', (stores) => stores.volumes.delete(clone(begun('a')))],
    ['getting nowhere', (stores) => stores.volumes.upsert(clone(begun('a', { status: stuck })))],
    [
      'waiting for a consumer',
      (stores) => stores.volumes.upsert(clone(begun('a', { status: { phase: 'WaitForFirstConsumer' } }))),
    ],
  ])('by %s wakes the next', (_name, change) => {
    expect(wakes(change, [begun('a'), ...waiting])).toEqual(['tenant/first']);
  });

  test('wakes nobody when it has not come', () => {
    const change = (stores: World): void =>
      stores.volumes.upsert(clone(begun('a', { status: { phase: 'PrepClaimInProgress' } })));

    expect(wakes(change, [begun('a'), ...waiting])).toEqual([]);
  });
});

test('a clone whose source is found in its stamp alone shares with the others of that source', async () => {
  const stores = createStores(() => false);
  const keys = await generateStampKeys();
  const { metadata } = await stampedClone(keys, { namespace: 'tenant', name: 'ref', source: 'source' });
  stores.volumes.upsert({
    metadata: { ...metadata, name: 'ref', uid: 'uid', resourceVersion: '1' },
    spec: { sourceRef: { kind: 'DataSource', name: 'image' }, pvc: { storageClassName: 'fast' } },
  });

  const found = stores.volumes.by('group', 'PersistentVolumeClaim tenant/source');
  expect(found.map((one) => keyOf(one.metadata))).toEqual(['tenant/ref']);
});
