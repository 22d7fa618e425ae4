import { describe, expect, test } from 'vitest';
import { snapshotName } from '../../../../controller/children.ts';
import { plan } from '../../../../controller/planner.ts';
import { annotations, finalizer } from '../../../../shared/api/names.ts';
import { encodeRecord } from '../../../../shared/decision/record.ts';
import { claim, created, uid, type World } from '../world.ts';
import { allowed, elsewhere, given, taken, temporary, waiting } from './elsewhere.ts';

/** Snapshots that are taken of a claim to be restored, and snapshots that are sources. */

const fromTaken = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: snapshotName(uid) };
const held = { metadata: { finalizers: [finalizer] } };

/** A clone whose target claim waits already. */
function ofClaim(...snapshots: readonly ReturnType<typeof taken>[]) {
  return elsewhere({
    strategy: 'snapshot',
    volume: held,
    change: (stores) => {
      stores.claims.upsert(waiting());
      for (const snapshot of snapshots) stores.snapshots.upsert(snapshot);
    },
  });
}

describe('a snapshot of a claim', () => {
  test('is taken beside it, with the class that the storage has for it', () => {
    expect(plan(ofClaim(), allowed)).toMatchObject({
      state: 'acting',
      step: 'snapshot-taken',
      effects: [
        {
          kind: 'create',
          object: {
            kind: 'VolumeSnapshot',
            metadata: { namespace: 'golden', name: snapshotName(uid) },
            spec: { volumeSnapshotClassName: 'snaps', source: { persistentVolumeClaimName: 'source' } },
          },
        },
      ],
    });
  });

  test('is taken with the class that was decided on, if there was one', () => {
    const candidates = [{ strategy: 'snapshot', reason: 'Preferred', message: '' }] as const;
    const decision = { outcome: 'chosen', strategy: 'snapshot', candidates, snapshotClass: 'gold' } as const;
    const noted = { [annotations.decision]: encodeRecord(decision, { id: 'x' }) };
    const o = elsewhere({
      strategy: 'snapshot',
      volume: { metadata: { finalizers: [finalizer], annotations: noted } },
      change: ({ claims }) => claims.upsert(waiting()),
    });

    expect(plan(o, allowed)).toMatchObject({ effects: [{ object: { spec: { volumeSnapshotClassName: 'gold' } } }] });
  });

  test('waits for a class', () => {
    const o = elsewhere({
      strategy: 'snapshot',
      change: (stores) => {
        stores.claims.upsert(waiting());
        stores.volumeSnapshotClasses.replace([]);
      },
    });

    expect(plan(o, allowed)).toMatchObject({ state: 'waiting', wait: { reason: 'NoVolumeSnapshotClass' } });
  });

  test('is waited for, with what the driver says', () => {
    const phase = 'SnapshotForSmartCloneInProgress';

    expect(plan(ofClaim(taken()), allowed)).toMatchObject({
      wait: { phase, type: 'Normal', message: 'the CSI driver takes a snapshot of golden/source', atWork: true },
    });
    expect(plan(ofClaim(taken({ error: { message: 'no room' } })), allowed)).toMatchObject({
      wait: { phase, type: 'Warning', message: 'the CSI driver takes a snapshot of golden/source and says: no room' },
    });
  });

  test('that is not bound to what it was taken of needs its source', () => {
    const golden = { namespace: 'golden', uid: 'golden-uid' };
    const going = claim('source', { metadata: { ...golden, deletionTimestamp: created } });
    const waits = (change: (stores: World) => void, status = {}) =>
      plan(
        elsewhere({
          strategy: 'snapshot',
          volume: held,
          change: (stores) => {
            stores.claims.upsert(waiting());
            stores.snapshots.upsert(taken(status));
            change(stores);
          },
        }),
        allowed,
      );

    expect(waits(({ claims }) => claims.delete(claim('source', { metadata: golden })))).toMatchObject({
      wait: {
        reason: 'CloneWithoutSource',
        message: 'PersistentVolumeClaim golden/source was deleted while it was being cloned',
      },
    });
    expect(waits(({ claims }) => claims.upsert(going))).toMatchObject({
      wait: {
        reason: 'SourceTerminating',
        message: 'PersistentVolumeClaim golden/source is being deleted while it is being cloned',
      },
    });
    const bound = { boundVolumeSnapshotContentName: 'content' };
    expect(waits(({ claims }) => claims.upsert(going), bound)).toMatchObject({
      wait: { reason: 'SnapshotForSmartCloneInProgress' },
    });
  });

  test('that somebody deletes is taken again when it is gone', () => {
    const going = taken({ readyToUse: true }, { deletionTimestamp: created });

    expect(plan(ofClaim(going), allowed)).toMatchObject({ wait: { reason: 'ErrResourceMarkedForDeletion' } });
  });

  test.each([
    ['the size that it tells', { readyToUse: true, restoreSize: '900Mi' }, '900Mi'],
    ["the source's size when it tells none", { readyToUse: true }, '1Gi'],
    ["the source's size when it tells 0", { readyToUse: true, restoreSize: '0' }, '1Gi'],
  ])('is restored in %s', (_name, status, storage) => {
    expect(plan(ofClaim(taken(status)), allowed)).toMatchObject({
      step: 'temporary-made',
      effects: [{ object: { spec: { dataSourceRef: fromTaken, resources: { requests: { storage } } } } }],
    });
  });

  test('goes as soon as the volume is there', () => {
    const o = elsewhere({
      strategy: 'snapshot',
      change: (stores) => {
        stores.claims.upsert(waiting());
        stores.claims.upsert(temporary({ spec: { dataSourceRef: fromTaken } }));
        stores.snapshots.upsert(taken({ readyToUse: true }));
      },
    });

    expect(plan(o, allowed)).toMatchObject({
      step: 'snapshot-dropped',
      effects: [{ kind: 'delete', ref: { namespace: 'golden', name: snapshotName(uid) } }],
    });
  });

  test('is all that is needed once it is bound: the source may go', () => {
    const gone = ({ claims }: World): void =>
      claims.delete(claim('source', { metadata: { namespace: 'golden', uid: 'golden-uid' } }));
    const restoring = elsewhere({
      strategy: 'snapshot',
      change: (stores) => {
        stores.claims.upsert(waiting());
        stores.claims.upsert(temporary({ phase: 'Pending', capacity: null, spec: { dataSourceRef: fromTaken } }));
        stores.snapshots.upsert(taken({ readyToUse: true, boundVolumeSnapshotContentName: 'content' }));
        gone(stores);
      },
    });

    expect(plan(restoring, allowed)).toMatchObject({ wait: { reason: 'CloneFromSnapshotSourceInProgress' } });
  });
});

/** A clone of a snapshot that somebody has taken. */
function ofSnapshot(snapshot: ReturnType<typeof given> | undefined, storage?: string) {
  return elsewhere({
    kind: 'VolumeSnapshot',
    strategy: 'snapshot',
    volume: { claim: storage === undefined ? { resources: {} } : { resources: { requests: { storage } } } },
    change: ({ snapshots }) => {
      if (snapshot !== undefined) snapshots.upsert(snapshot);
    },
  });
}

describe('a snapshot that is the source', () => {
  test.each([
    ['does not exist', undefined, 'CloneWithoutSource', 'VolumeSnapshot golden/source does not exist'],
    ['is not ready', given(), 'SnapshotNotReady', 'VolumeSnapshot golden/source is not ready to use yet'],
    [
      'has failed',
      given({ error: { message: 'no room' } }),
      'SnapshotNotReady',
      'VolumeSnapshot golden/source has failed: no room',
    ],
    [
      'is being deleted',
      given({ readyToUse: true }, { deletionTimestamp: created }),
      'SourceTerminating',
      'VolumeSnapshot golden/source is being deleted',
    ],
  ])('is waited for when it %s', (_name, snapshot, reason, message) => {
    expect(plan(ofSnapshot(snapshot, '1Gi'), allowed)).toMatchObject({ state: 'waiting', wait: { reason, message } });
  });

  test.each([
    ['its own size when none is asked for', '2Gi', undefined, '2Gi'],
    ['the size that is asked for when it tells none', undefined, '3Gi', '3Gi'],
    ['the size that is asked for when it tells 0', '0', '3Gi', '3Gi'],
  ])('is restored in %s', (_name, restoreSize, asked, storage) => {
    const snapshot = given({ readyToUse: true, ...(restoreSize === undefined ? {} : { restoreSize }) });

    expect(plan(ofSnapshot(snapshot, asked), allowed)).toMatchObject({
      step: 'claimed',
      effects: [{}, { object: { spec: { resources: { requests: { storage } } } } }],
    });
  });

  test('that tells no size cannot be restored when nobody else does', () => {
    expect(plan(ofSnapshot(given({ readyToUse: true })), allowed)).toMatchObject({
      state: 'waiting',
      wait: { reason: 'CloneValidationFailed', message: expect.stringContaining('ask for a size') as string },
    });
  });

  test('stays', () => {
    const o = elsewhere({
      kind: 'VolumeSnapshot',
      strategy: 'snapshot',
      change: (stores) => {
        stores.snapshots.upsert(given({ readyToUse: true }));
        stores.claims.upsert(waiting({ phase: 'Bound', capacity: '1Gi' }));
      },
    });

    expect(plan(o, allowed)).toEqual({ state: 'done', effects: [] });
  });
});
