import { describe, expect, test } from 'vitest';
import { temporaryName } from '../../../controller/children.ts';
import { hintedSource } from '../../../controller/hint.ts';
import { lookup } from '../../../controller/stores.ts';
import { subscribe } from '../../../controller/triggers.ts';
import { annotations } from '../../../shared/api/names.ts';
import { claims, dataVolumes, storageClasses } from '../../../shared/kube/resource.ts';
import { generateStampKeys } from '../../../shared/trust/keys.ts';
import { stampedClone } from '../../support/build/clones.ts';
import { claim, namespace, owner, pod, storageClass, target, uid, volume, type World, world } from './world.ts';

const stampKeys = await generateStampKeys();

/** Keys that a change wakes. */
function woken(stores: World, change: () => void): readonly string[] {
  const keys: string[] = [];
  const end = subscribe(stores, (key) => keys.push(key));
  change();
  end();
  return keys.toSorted();
}

/** A world in which `tenant/target` clones `tenant/source`. */
function cloning(): World {
  const stores = world();
  stores.volumes.upsert(volume());
  return stores;
}

const next = { resourceVersion: '11' };

describe('a DataVolume is looked at', () => {
  test('when it changes itself', () => {
    const stores = cloning();

    expect(woken(stores, () => stores.volumes.upsert(volume({ metadata: next })))).toEqual(['tenant/target']);
  });

  test('when its target claim appears, changes or goes', () => {
    const stores = cloning();
    const changed = target({ metadata: next });

    expect(woken(stores, () => stores.claims.upsert(target()))).toEqual(['tenant/target']);
    expect(woken(stores, () => stores.claims.upsert(changed))).toEqual(['tenant/target']);
    expect(woken(stores, () => stores.claims.delete(changed))).toEqual(['tenant/target']);
  });

  test("when somebody else's claim of its name goes", () => {
    const stores = cloning();
    stores.claims.upsert(claim('target'));

    expect(woken(stores, () => stores.claims.delete(claim('target')))).toEqual(['tenant/target']);
  });

  test('when its source changes', () => {
    const stores = cloning();

    expect(woken(stores, () => stores.claims.upsert(claim('source', { metadata: next })))).toEqual(['tenant/target']);
    expect(woken(stores, () => stores.claims.delete(claim('source')))).toEqual(['tenant/target']);
  });

  test('when the DataVolume that fills its source gets on', () => {
    const stores = cloning();
    const filler = { name: 'source', uid: 'filler' };
    const scheduled = volume({ metadata: filler, status: { phase: 'CloneScheduled' } });
    const done = volume({ metadata: { ...filler, ...next }, status: { phase: 'Succeeded' } });

    // It clones `tenant/source` itself, as every DataVolume here does; what counts is who else is woken.
    expect(woken(stores, () => stores.volumes.upsert(scheduled))).toContain('tenant/target');
    expect(woken(stores, () => stores.volumes.upsert({ ...scheduled, metadata: done.metadata }))).toEqual([
      'tenant/source',
    ]);
    expect(
      woken(stores, () => stores.volumes.upsert({ ...done, metadata: { ...done.metadata, resourceVersion: '12' } })),
    ).toContain('tenant/target');
  });

  test('when a pod begins or ceases to write to its source', () => {
    const stores = cloning();
    const ended = { ...pod('vm', 'source', false, 'Succeeded'), metadata: { ...pod('vm').metadata, ...next } };

    expect(woken(stores, () => stores.pods.upsert(pod('vm')))).toEqual(['tenant/target']);
    expect(woken(stores, () => stores.pods.upsert(ended))).toEqual(['tenant/target']);
    stores.pods.upsert(pod('vm'));
    expect(woken(stores, () => stores.pods.delete(pod('vm')))).toEqual(['tenant/target']);
  });

  test('when a pod lets go of its temporary claim, be it one that only reads', () => {
    const stores = cloning();
    const spy = pod('spy', temporaryName(uid), true);
    const over = { ...spy, metadata: { ...spy.metadata, ...next }, status: { phase: 'Failed' } };

    stores.pods.upsert(spy);
    expect(woken(stores, () => stores.pods.upsert(over))).toEqual(['tenant/target']);
    stores.pods.upsert(spy);
    expect(woken(stores, () => stores.pods.delete(spy))).toEqual(['tenant/target']);
  });

  test('when what the storage can do changes, until it is decided how to clone', () => {
    const stores = cloning();
    stores.volumes.upsert(volume({ strategy: null, metadata: { name: 'undecided' } }));
    const cluster = { metadata: { name: 'new', uid: 'new', resourceVersion: '1' } };

    expect(woken(stores, () => stores.storageClasses.upsert({ ...storageClass(), ...cluster }))).toEqual([
      'tenant/undecided',
    ]);
    expect(woken(stores, () => stores.storageProfiles.upsert(cluster))).toEqual(['tenant/undecided']);
    expect(woken(stores, () => stores.csiDrivers.upsert(cluster))).toEqual(['tenant/undecided']);
    expect(woken(stores, () => stores.volumeSnapshotClasses.upsert({ ...cluster, driver: 'd' }))).toEqual([
      'tenant/undecided',
    ]);
  });

  test('when the source changes that a DataSource led to', async () => {
    const stores = world();
    const stamped = await stampedClone(stampKeys, { namespace, name: 'target', source: 'source' });
    const annotation = { [annotations.stamp]: stamped.metadata.annotations?.[annotations.stamp] ?? '' };
    stores.volumes.upsert(
      volume({
        spec: { sourceRef: { kind: 'DataSource', name: 'golden' }, pvc: {} },
        metadata: { annotations: annotation },
      }),
    );

    expect(woken(stores, () => stores.claims.upsert(claim('source', { metadata: next })))).toEqual(['tenant/target']);
  });
});

describe('a DataVolume is left alone', () => {
  test('when pods change that have nothing to do with its source', () => {
    const stores = cloning();
    stores.pods.upsert(pod('vm'));
    const again = { ...pod('vm'), metadata: { ...pod('vm').metadata, ...next } };

    expect(woken(stores, () => stores.pods.upsert(pod('other', 'elsewhere')))).toEqual([]);
    expect(woken(stores, () => stores.pods.upsert(pod('reader', 'source', true)))).toEqual([]);
    expect(woken(stores, () => stores.pods.upsert(again))).toEqual([]);
  });

  test('when claims change that it has nothing to do with', () => {
    const stores = cloning();

    expect(woken(stores, () => stores.claims.upsert(claim('elsewhere')))).toEqual([]);
  });

  test('when nobody listens any more', () => {
    const stores = cloning();
    const keys: string[] = [];
    subscribe(stores, (key) => keys.push(key))();

    stores.volumes.upsert(volume({ metadata: next }));

    expect(keys).toEqual([]);
  });
});

describe('the source that a stamp hints at', () => {
  test.each([undefined, '', 'x', 'a.b.c', 'a.!!!.c', `a.${Buffer.from('{"src":1}').toString('base64url')}.c`])(
    'is none for %j',
    (stamp) => {
      expect(hintedSource(stamp)).toBeUndefined();
    },
  );
});

describe('what is kept of a claim', () => {
  test('is what is read', () => {
    const stores = world();
    const selected = { [annotations.selectedNode]: 'node-1' };
    const given = target({
      metadata: { annotations: { ...selected, long: 'x'.repeat(1000) }, labels: { app: 'web' } },
    });
    stores.claims.upsert({ ...given, kind: 'PersistentVolumeClaim' });

    expect(stores.claims.get('tenant/target')).toEqual({
      metadata: {
        name: 'target',
        namespace,
        uid: 'target-uid',
        resourceVersion: '10',
        annotations: selected,
        ownerReferences: [owner],
      },
      spec: given.spec,
      status: given.status,
    });
  });
});

test('objects that we write are looked up by their kind, and others are a mistake', () => {
  const stores = cloning();

  expect(lookup(stores, dataVolumes, 'tenant/target')?.metadata.name).toBe('target');
  expect(lookup(stores, claims, 'tenant/source')?.metadata.name).toBe('source');
  expect(() => lookup(stores, storageClasses, 'fast')).toThrow(/no store of storageclasses/);
});
