import { describe, expect, test } from 'vitest';
import { unasked } from '../../../../controller/authorize.ts';
import { childLabels, restoredName } from '../../../../controller/children.ts';
import { cleanUp } from '../../../../controller/steps/cleanup.ts';
import { annotations } from '../../../../shared/api/names.ts';
import type { PersistentVolumeClaim, Stored, VolumeSnapshotContent } from '../../../../shared/api/objects.ts';
import { type ClaimOptions, claim, storageClass, uid, type World } from '../world.ts';
import { all, blank, type Change, golden, look, next, pendingBlank, type Situation, withClaims } from './copies.ts';
import { given, late, waiting } from './elsewhere.ts';

/** A copy of a snapshot, which has to be restored before. */

describe('a copy of a snapshot', () => {
  const content: VolumeSnapshotContent = {
    metadata: {},
    spec: { driver: 'csi.example.com', sourceVolumeMode: 'Block' },
  };
  const ready = (stores: World) => stores.snapshots.upsert(given({ readyToUse: true, restoreSize: '5Gi' }));
  const from = 'VolumeSnapshot' as const;
  const restored = (options: ClaimOptions = {}) => {
    const { metadata, ...rest } = options;
    const marks = { namespace: golden, uid: 'restored-uid', labels: childLabels(uid), ...metadata };
    const spec = { dataSourceRef: { kind: 'VolumeSnapshot', name: 'source' } };
    return claim(restoredName(uid), { ...rest, spec: { ...spec, ...rest.spec }, metadata: marks });
  };
  const situation = (...claims: readonly Stored<PersistentVolumeClaim>[]): Situation => ({
    from,
    content,
    change: all(ready, withClaims(waiting(), ...claims)),
  });

  test('restores it first, by its own driver, in its own mode and size', () => {
    expect(next(situation(), unasked)).toMatchObject({ state: 'asking', step: 'restored-made' });
    expect(next(situation())).toMatchObject({
      effects: [
        {},
        {
          object: {
            metadata: { name: restoredName(uid), namespace: golden },
            spec: {
              storageClassName: 'fast',
              volumeMode: 'Block',
              resources: { requests: { storage: '5Gi' } },
              dataSourceRef: { kind: 'VolumeSnapshot', name: 'source' },
            },
          },
        },
      ],
    });
  });

  test('by the first of the classes of its driver', () => {
    const another = { ...storageClass(), metadata: { ...storageClass().metadata, name: 'also' } };
    const foreign = { ...storageClass({ provisioner: 'other' }), metadata: { ...storageClass().metadata, name: 'a' } };
    const classes: Change = ({ storageClasses }) => storageClasses.replace([storageClass(), another, foreign]);
    const { change = () => undefined, ...rest } = situation();
    expect(next({ ...rest, change: all(change, classes) })).toMatchObject({
      effects: [{}, { object: { spec: { storageClassName: 'also' } } }],
    });
  });

  test.each<[string, Partial<Situation>, object]>([
    ['whose content is not known', { content: { metadata: {} } }, { reason: 'SnapshotNotReady' }],
    [
      'whose driver has no class',
      { content: { metadata: {}, spec: { driver: 'gone' } } },
      { reason: 'StorageClassMissing' },
    ],
  ])('%s is waited for', (_name, more, wait) => {
    expect(next({ ...situation(), ...more })).toMatchObject({ step: 'restored-made', wait });
  });

  test('waits for what is restored, makes the blank claim, and copies from the one into the other', () => {
    expect(next(situation(restored({ phase: 'Pending', capacity: null })))).toMatchObject({
      step: 'restored-bound',
      wait: { phase: 'CloneFromSnapshotSourceInProgress', atWork: true },
    });
    expect(next(situation(restored()))).toMatchObject({ step: 'temporary-made' });
    expect(next(situation(restored(), blank()))).toMatchObject({
      step: 'copy-started',
      effects: [{ object: { spec: { volumes: [{ persistentVolumeClaim: { claimName: restoredName(uid) } }, {}] } } }],
    });
  });

  test('by a class that waits for the first consumer has that in the copy pod', () => {
    const { change = () => undefined } = situation(restored({ phase: 'Pending', capacity: null }), pendingBlank);
    const immediate = { metadata: { annotations: { [annotations.bindImmediately]: '' } } };
    expect(next({ from, content, ...immediate, change: all(change, late) })).toMatchObject({ step: 'copy-started' });
  });

  test('has what was restored go with the rest', () => {
    const { children } = look(situation(restored(), blank()));
    expect(cleanUp(children)).toMatchObject([{ uid: 'temporary-uid' }, { uid: 'restored-uid' }]);
  });
});
