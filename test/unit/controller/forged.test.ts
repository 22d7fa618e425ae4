import { describe, expect, test } from 'vitest';
import { childrenOf, hasSnapshot, needsSnapshot } from '../../../controller/belongings.ts';
import { childLabels, copyPodName, exportPodName, restoredName } from '../../../controller/children.ts';
import { annotations } from '../../../shared/api/names.ts';
import type { Stored } from '../../../shared/api/objects.ts';
import type { Pod } from '../../../shared/api/pod.ts';
import { elsewhere, filled, helper, taken, temporary, waiting } from './steps/elsewhere.ts';
import { meta, uid, volume, type World, world } from './world.ts';

/**
 * The uid of a DataVolume is no secret: it stands on everything that is made beside the source, where others may look. So somebody gives the
 * marks and names of a clone's children to objects in a namespace of his own.
 */

const his = 'attacker';
const places = { own: 'tenant', source: 'golden' };

function forged(name: string): Stored<Pod> {
  return {
    metadata: meta(name, { namespace: his, uid: `his-${name}`, labels: childLabels(uid) }),
    spec: { volumes: [{ name: 'destination', persistentVolumeClaim: { claimName: 'his' } }], containers: [] },
    status: { phase: 'Succeeded' },
  };
}

/** The earlier in a store, the sooner found. */
function forgeAll(stores: World): void {
  stores.claims.upsert(temporary({ metadata: { namespace: his, uid: 'his-claim' } }));
  stores.claims.upsert(temporary({ metadata: { namespace: his, uid: 'his-restored', name: restoredName(uid) } }));
  stores.snapshots.upsert(taken({ readyToUse: true }, { namespace: his, uid: 'his-snapshot' }));
  for (const name of [copyPodName(uid), exportPodName(uid)]) stores.pods.upsert(forged(name));
  stores.pods.upsert(helper(his, 'his', { uid: 'his-helper' }));
}

describe('objects in the namespace of somebody else', () => {
  test('are no children, whatever they are called and marked with', () => {
    const stores = world();
    forgeAll(stores);

    const children = childrenOf(stores, uid, places);

    expect(children).toEqual({
      temporary: undefined,
      restored: undefined,
      copyPod: undefined,
      exportPod: undefined,
      moving: undefined,
      snapshot: undefined,
      helpers: [],
      disposable: [],
    });
  });

  test('do not stand before the children', () => {
    const o = elsewhere({
      change: (stores) => {
        forgeAll(stores);
        stores.claims.upsert(waiting());
        stores.claims.upsert(temporary());
        stores.persistentVolumes.upsert(filled());
      },
    });

    expect(o.children.temporary?.metadata.uid).toBe('temporary-uid');
    expect(o.filled?.metadata.uid).toBe('pv-uid');
  });

  test('nor does what the owner of the DataVolume puts into its namespace stand for what is made beside the source', () => {
    const stores = world();
    stores.claims.upsert(temporary({ metadata: { namespace: 'tenant', uid: 'his-claim' } }));
    stores.pods.upsert({ ...forged(copyPodName(uid)), metadata: meta(copyPodName(uid), { labels: childLabels(uid) }) });

    const { temporary: found, copyPod } = childrenOf(stores, uid, places);

    expect([found, copyPod]).toEqual([undefined, undefined]);
  });

  test('keep no clone from sharing a snapshot', () => {
    const stores = world();
    const dataVolume = volume({
      strategy: 'snapshot',
      metadata: { finalizers: ['clonegate.io/cleanup'] },
      spec: { source: { pvc: { namespace: 'golden', name: 'source' } }, pvc: {} },
    });
    stores.volumes.upsert(dataVolume);
    forgeAll(stores);
    stores.snapshots.upsert(
      taken({}, { namespace: his, uid: 'another', annotations: { [annotations.snapshotFor]: `other ${uid}` } }),
    );

    expect(hasSnapshot(stores, uid)).toBe(false);
    expect(needsSnapshot(stores, dataVolume)).toBe(true);
  });
});
