import { beforeEach, describe, expect, test } from 'vitest';
import { isResting, knownVolume } from '../../../controller/resting.ts';
import { clonesOf, undecided } from '../../../controller/stores.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { finalizer } from '../../../shared/api/names.ts';
import type { Stored } from '../../../shared/api/objects.ts';
import { stampedClone } from '../../support/build/clones.ts';
import { key, keys, Scene, signal, wanted } from './scene.ts';
import { created, meta, source, volume, world } from './world.ts';

const ready = { type: 'Ready', status: 'True' } as const;
const status = { phase: 'Succeeded', conditions: [ready] } as const;
const finished = volume({ status });
const imported = volume({ spec: { source: { http: {} }, pvc: {} }, status: { phase: 'ImportInProgress' } });
const withMeta = (given: Stored<DataVolume>, more: object) => ({ ...given, metadata: { ...given.metadata, ...more } });

describe('a DataVolume rests', () => {
  const { name, namespace, resourceVersion } = meta('target');
  const identity = { name, namespace, uid: finished.metadata.uid, resourceVersion };

  test('when it is a clone at its end: no stamp, decision or spec of it is kept', () => {
    expect(knownVolume(finished)).toEqual({
      metadata: identity,
      resting: 'finished',
      status: { phase: 'Succeeded' },
      sourceNamespace: source.namespace,
    });
  });

  test('when it is no clone', () => {
    const kept = { metadata: identity, resting: 'no clone', status: { phase: 'ImportInProgress' } };
    expect(knownVolume(imported)).toEqual(kept);
  });

  test('also when nobody has said how far it is', () => {
    const { status: _, ...unsaid } = imported;
    expect(knownVolume(unsaid)).toEqual({ metadata: identity, resting: 'no clone' });
  });

  test.each([
    ['is under way', volume({ status: { ...status, phase: 'CSICloneInProgress' } })],
    ['has failed', volume({ status: { ...status, phase: 'Failed' } })],
    ['is not ready', volume({ status: { ...status, conditions: [{ ...ready, status: 'False' }] } })],
    ['says nothing yet', volume()],
    ['has to be let go of', withMeta(finished, { finalizers: [finalizer] })],
    ['goes', withMeta(finished, { deletionTimestamp: created })],
    ['is no clone and has to be let go of', withMeta(imported, { finalizers: [finalizer] })],
    ['is no clone and goes', withMeta(imported, { deletionTimestamp: created })],
  ])('but not one that %s: all of it is kept, but for managedFields', (_, given) => {
    expect(knownVolume(withMeta(given, { managedFields: [{}] }))).toEqual(given);
  });

  test('and nobody looks at it for its source or for what the storage can do', () => {
    const stores = world();
    for (const [name_, given] of Object.entries({ finished, imported, awake: volume() })) {
      stores.volumes.upsert(withMeta(given, { name: name_, uid: name_, annotations: {} }));
    }
    const names = (volumes: readonly Stored<DataVolume>[]) => volumes.map(({ metadata }) => metadata.name);
    expect([names(clonesOf(stores, source)), names(undecided(stores))]).toEqual([['awake'], ['awake']]);
  });
});

describe('a clone at its end', () => {
  let scene: Scene;
  const reads = () => scene.api.calls.filter(({ verb, plural }) => verb === 'get' && plural === 'datavolumes').length;

  beforeEach(async () => {
    scene = await Scene.with(await stampedClone(keys, wanted));
    const reconcile = scene.controller();
    for (let pass = 0; pass < 5; pass += 1) {
      await reconcile(key, signal);
      if (pass === 1) await scene.bind();
      scene.sync();
    }
    const known = scene.stores.volumes.get(key);
    if (known === undefined || !isResting(known)) throw new Error('it does not rest');
    scene.api.calls.length = 0;
    scene.events.length = 0;
  });

  test('costs no request', async () => {
    expect(await scene.controller()(key, signal)).toEqual({ kind: 'done' });
    expect(scene.api.calls).toEqual([]);
  });

  test('is read again when its claim loses its volume, and tells of that', async () => {
    await scene.setClaim({ phase: 'Lost' });
    scene.sync();
    await scene.controller()(key, signal);
    expect(reads()).toBe(1);
    expect(scene.writes).toEqual(['patch datavolumes Failed']);
    expect(scene.reasons).toEqual(['ErrClaimLost']);
  });

  test('is left alone when another has come in its place that the stores do not show yet', async () => {
    await scene.setClaim({ phase: 'Lost' });
    scene.sync();
    const known = scene.stores.volumes.get(key);
    scene.stores.volumes.replace([withMeta(finished, { ...known?.metadata, uid: 'another' })]);
    expect(await scene.controller()(key, signal)).toEqual({ kind: 'done' });
    expect([reads(), scene.writes]).toEqual([1, []]);
  });
});
