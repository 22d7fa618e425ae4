import { describe, expect, test } from 'vitest';
import { annotations, finalizer } from '../../../shared/api/names.ts';
import { claims, dataVolumes } from '../../../shared/kube/resource.ts';
import { plainClone, stampedClone } from '../../support/build/clones.ts';
import { key, keys, ref, Scene, signal, wanted } from './scene.ts';

/** Where CDI carries clones out, this controller only chooses the strategy where admission had to put that off. */

async function forCdi(...args: Parameters<typeof Scene.with>): Promise<Scene> {
  const scene = await Scene.with(...args);
  scene.executor = 'cdi';
  return scene;
}

describe('for CDI', () => {
  test('the strategy that was put off is chosen and written down, and nothing else is', async () => {
    const scene = await forCdi(await stampedClone(keys, { ...wanted, strategy: null }));
    const reconcile = scene.controller();
    await reconcile(key, signal);
    scene.sync();
    expect(await reconcile(key, signal)).toEqual({ kind: 'done' });

    expect(scene.writes).toHaveLength(1);
    expect(scene.volume.metadata.annotations?.[annotations.cloneType]).toBe('csi-clone');
    expect(scene.volume.status).toBeUndefined();
    expect([scene.asked, scene.events]).toEqual([[], []]);
  });

  test.each([
    ['decided already', async () => stampedClone(keys, wanted)],
    ['without a stamp', async () => plainClone(wanted)],
  ])('a DataVolume %s is left alone', async (_name, volume) => {
    const scene = await forCdi(await volume());

    expect(await scene.controller()(key, signal)).toEqual({ kind: 'done' });
    expect([scene.writes, scene.asked, scene.events]).toEqual([[], [], []]);
  });

  test('a DataVolume whose source is not there yet is left alone, and chosen for when it is', async () => {
    const scene = await forCdi(await stampedClone(keys, { ...wanted, strategy: null }));
    const source = scene.api.read(claims, { namespace: 'tenant', name: 'source' });
    scene.api.remove(claims, { namespace: 'tenant', name: 'source' });
    scene.sync();
    const reconcile = scene.controller();
    await reconcile(key, signal);
    expect(scene.writes).toEqual([]);

    await scene.create(claims, source);
    await reconcile(key, signal);
    expect(scene.writes).toHaveLength(1);
  });

  test('a DataVolume that our finalizer still holds from before can be deleted', async () => {
    const scene = await forCdi(await stampedClone(keys, wanted));
    const deletionTimestamp = '2026-05-06T07:08:09Z';
    await scene.api.client().mergePatch(dataVolumes, ref, { metadata: { deletionTimestamp, finalizers: [finalizer] } });
    scene.sync();
    scene.api.calls.length = 0;
    await scene.controller()(key, signal);

    expect(scene.writes).toEqual(['patch datavolumes finalizers []']);
  });
});
