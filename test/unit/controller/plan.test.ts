import { describe, expect, test } from 'vitest';
import { unasked } from '../../../controller/authorize.ts';
import { plan } from '../../../controller/planner.ts';
import type { DataVolumeStatus } from '../../../shared/api/datavolume.ts';
import { annotations, finalizer } from '../../../shared/api/names.ts';
import {
  type ClaimOptions,
  claim,
  created,
  namespace,
  observed,
  owner,
  pod,
  storageClass,
  target,
  type VolumeOptions,
  valid,
  volume,
  type World,
  world,
} from './world.ts';

test('a record of a clone that there is no way to make is waited with, not guessed at', () => {
  const stamp = { ...valid, source: { kind: 'VolumeSnapshot', namespace, name: 'source' } } as const;

  expect(plan(observed(world(), volume(), stamp), unasked)).toMatchObject({
    state: 'waiting',
    wait: {
      phase: 'Pending',
      reason: 'CloneValidationFailed',
      message: 'there is no csi-clone of a VolumeSnapshot; create the DataVolume again to have it decided anew',
    },
  });
});

const allowed = { answer: 'allowed' } as const;

/** A world that differs from the plain one by what `change` does to it. */
function changed(change: (stores: World) => void): World {
  const stores = world();
  change(stores);
  return stores;
}

const succeeded: DataVolumeStatus = { phase: 'Succeeded' };

interface WaitRow {
  readonly name: string;
  readonly stores?: (stores: World) => void;
  readonly volume?: VolumeOptions;
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
}

const withTarget =
  (options: ClaimOptions) =>
  (stores: World): void =>
    stores.claims.upsert(target(options));

const gone = (stores: World): void => stores.claims.delete(claim('source'));

const waits: readonly WaitRow[] = [
  {
    name: 'the source does not exist',
    stores: gone,
    phase: 'Pending',
    reason: 'CloneWithoutSource',
    message: 'PersistentVolumeClaim tenant/source does not exist',
  },
  {
    name: 'the source was made again under its name',
    stores: (stores) => stores.claims.upsert(claim('source', { metadata: { uid: 'another' } })),
    phase: 'Failed',
    reason: 'SourceReplaced',
    message:
      'PersistentVolumeClaim tenant/source was deleted and made again after the clone was authorized; create the DataVolume again to clone what it holds now',
  },
  {
    name: 'the source is being deleted',
    stores: (stores) => stores.claims.upsert(claim('source', { metadata: { deletionTimestamp: created } })),
    phase: 'CloneScheduled',
    reason: 'SourceTerminating',
    message: 'PersistentVolumeClaim tenant/source is being deleted',
  },
  {
    name: 'the source has no volume yet',
    stores: (stores) => stores.claims.upsert(claim('source', { phase: 'Pending', capacity: null })),
    phase: 'CloneScheduled',
    reason: 'SourceNotBound',
    message: 'PersistentVolumeClaim tenant/source has no volume yet',
  },
  {
    name: 'the source is bound but does not tell its capacity',
    stores: (stores) => stores.claims.upsert(claim('source', { capacity: null })),
    phase: 'CloneScheduled',
    reason: 'SourceNotBound',
    message: 'PersistentVolumeClaim tenant/source has no volume yet',
  },
  {
    name: 'the source is the claim of a DataVolume that is not complete',
    stores: (stores) => {
      stores.claims.upsert(
        claim('source', { metadata: { ownerReferences: [{ ...owner, name: 'source', uid: 'filler' }] } }),
      );
      stores.volumes.upsert(
        volume({ metadata: { name: 'source', uid: 'filler' }, status: { phase: 'CloneScheduled' } }),
      );
    },
    phase: 'CloneScheduled',
    reason: 'CloneSourceNotPopulated',
    message: 'PersistentVolumeClaim tenant/source is itself still being filled',
  },
  {
    name: 'a pod may write to the source',
    stores: (stores) => stores.pods.upsert(pod('vm')),
    phase: 'CloneScheduled',
    reason: 'CloneSourceInUse',
    message: 'PersistentVolumeClaim tenant/source is in use by pod tenant/vm, which may write to it',
  },
  {
    name: 'many pods may write to the source',
    stores: (stores) => {
      for (const name of ['g', 'f', 'e', 'd', 'c', 'b', 'a']) stores.pods.upsert(pod(name));
    },
    phase: 'CloneScheduled',
    reason: 'CloneSourceInUse',
    message:
      'PersistentVolumeClaim tenant/source is in use by pods tenant/a, tenant/b, tenant/c, tenant/d, tenant/e and 2 more, which may write to it',
  },
  {
    name: 'a claim of that name belongs to somebody else',
    stores: (stores) => stores.claims.upsert(claim('target')),
    phase: 'Pending',
    reason: 'ErrResourceExists',
    message: 'PersistentVolumeClaim tenant/target exists and does not belong to this DataVolume',
  },
  {
    name: 'a claim of that name is ours but made from something else',
    stores: withTarget({ spec: { dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'other' } } }),
    phase: 'Pending',
    reason: 'ErrResourceExists',
    message: 'PersistentVolumeClaim tenant/target exists and does not belong to this DataVolume',
  },
  {
    name: 'the target claim belonged to an earlier DataVolume of that name',
    stores: withTarget({ metadata: { ownerReferences: [{ ...owner, uid: 'earlier' }] } }),
    phase: 'Pending',
    reason: 'ErrResourceExists',
    message: 'PersistentVolumeClaim tenant/target exists and does not belong to this DataVolume',
  },
  {
    name: 'the target claim is being deleted',
    stores: withTarget({ metadata: { ownerReferences: [owner], deletionTimestamp: created } }),
    phase: 'Pending',
    reason: 'ErrResourceMarkedForDeletion',
    message: 'PersistentVolumeClaim tenant/target is being deleted; it is made again when it is gone',
  },
  {
    name: 'the driver is at work',
    stores: withTarget({ phase: 'Pending', capacity: null }),
    phase: 'CSICloneInProgress',
    reason: 'CSICloneInProgress',
    message: 'the CSI driver clones tenant/source into tenant/target',
  },
  {
    name: 'nobody has looked at the target claim yet',
    stores: withTarget({ phase: '', capacity: null }),
    phase: 'CSICloneInProgress',
    reason: 'CSICloneInProgress',
    message: 'the CSI driver clones tenant/source into tenant/target',
  },
  {
    name: 'the class waits for the first consumer',
    stores: (stores) => {
      stores.storageClasses.upsert(storageClass({ volumeBindingMode: 'WaitForFirstConsumer' }));
      withTarget({ phase: 'Pending', capacity: null })(stores);
    },
    phase: 'WaitForFirstConsumer',
    reason: 'WaitForFirstConsumer',
    message: 'PersistentVolumeClaim tenant/target is bound when the first pod that uses it is scheduled',
  },
  {
    name: 'the first consumer is scheduled',
    stores: (stores) => {
      stores.storageClasses.upsert(storageClass({ volumeBindingMode: 'WaitForFirstConsumer' }));
      const metadata = { ownerReferences: [owner], annotations: { [annotations.selectedNode]: 'node-1' } };
      withTarget({ phase: 'Pending', capacity: null, metadata })(stores);
    },
    phase: 'CSICloneInProgress',
    reason: 'CSICloneInProgress',
    message: 'the CSI driver clones tenant/source into tenant/target',
  },
  {
    name: 'the source is deleted under the driver',
    stores: (stores) => {
      gone(stores);
      withTarget({ phase: 'Pending', capacity: null })(stores);
    },
    phase: 'CSICloneInProgress',
    reason: 'CloneWithoutSource',
    message: 'PersistentVolumeClaim tenant/source was deleted while it was being cloned',
  },
  {
    name: 'the volume is smaller than asked for',
    stores: withTarget({ capacity: '512Mi' }),
    phase: 'PrepClaimInProgress',
    reason: 'PrepClaimInProgress',
    message: 'PersistentVolumeClaim tenant/target has 512Mi; 1Gi are asked for',
  },
  {
    name: 'the bound claim does not tell its size',
    stores: withTarget({ capacity: null }),
    phase: 'PrepClaimInProgress',
    reason: 'PrepClaimInProgress',
    message: 'PersistentVolumeClaim tenant/target does not tell its size; 1Gi are asked for',
  },
  {
    name: 'the target claim lost its volume',
    stores: withTarget({ phase: 'Lost' }),
    phase: 'Failed',
    reason: 'ErrClaimLost',
    message: 'PersistentVolumeClaim tenant/target lost its volume',
  },
  {
    name: 'the target claim lost its volume after the clone was complete',
    stores: withTarget({ phase: 'Lost' }),
    volume: { status: succeeded },
    phase: 'Failed',
    reason: 'ErrClaimLost',
    message: 'PersistentVolumeClaim tenant/target lost its volume',
  },
  {
    name: 'the target claim is in a phase nobody knows',
    stores: withTarget({ phase: 'Melted' }),
    phase: 'Unknown',
    reason: 'Pending',
    message: 'PersistentVolumeClaim tenant/target is in phase Melted',
  },
  {
    name: 'the source is deferred and missing',
    stores: gone,
    volume: { strategy: null },
    phase: 'Pending',
    reason: 'CloneWithoutSource',
    message: 'PersistentVolumeClaim tenant/source does not exist yet',
  },
  {
    name: 'the class of a deferred clone does not exist',
    volume: { strategy: null, claim: { storageClassName: 'slow' } },
    phase: 'Pending',
    reason: 'StorageClassMissing',
    message: 'StorageClass slow does not exist yet',
  },
  {
    name: 'a deferred clone turns out not to fit',
    volume: { strategy: null, claim: { resources: { requests: { storage: '1Mi' } } } },
    phase: 'Pending',
    reason: 'CloneValidationFailed',
    message:
      'TargetTooSmall: the target asks for 1Mi (Filesystem), the source needs 1Gi (Filesystem); ask for at least 1Gi',
  },
  {
    name: 'the size is no quantity',
    volume: { claim: { resources: { requests: { storage: 'plenty' } } } },
    phase: 'Pending',
    reason: 'CloneValidationFailed',
    message: 'not a quantity: "plenty" (write for example 10Gi)',
  },
];

describe('a clone waits', () => {
  test.each(waits)('when $name: $reason', (row) => {
    const stores = changed(row.stores ?? (() => undefined));

    const next = plan(observed(stores, volume(row.volume)), allowed);

    expect(next).toMatchObject({
      state: 'waiting',
      wait: { phase: row.phase, reason: row.reason, message: row.message },
    });
  });

  test('when its stamp is not valid, whatever else there is', () => {
    const stamp = { valid: false, message: 'the authorization stamp is not valid: it is forged' } as const;

    expect(plan(observed(world(), volume(), stamp), allowed)).toEqual({
      state: 'waiting',
      step: 'stamped',
      wait: {
        phase: 'Failed',
        reason: 'CloneUnauthorized',
        type: 'Warning',
        message: 'the authorization stamp is not valid: it is forged; delete the DataVolume and create it again',
      },
    });
  });

  test('when the right was taken away, and asks again in a while', () => {
    expect(
      plan(observed(), { answer: 'denied', reason: 'CloneAuthorizationRevoked', message: 'user "jane" may not' }),
    ).toEqual({
      state: 'waiting',
      step: 'claimed',
      wait: {
        phase: 'Pending',
        reason: 'CloneAuthorizationRevoked',
        type: 'Warning',
        message: 'user "jane" may not',
        again: 600_000,
      },
    });
  });

  test('when the right could not be asked for, and tries again', () => {
    expect(plan(observed(), { answer: 'failed', message: 'nobody answered' })).toMatchObject({
      state: 'waiting',
      wait: { reason: 'CloneAuthorizationFailed', retry: true },
    });
  });
});

describe('a clone goes on', () => {
  test('by asking for the right before anything is made', () => {
    expect(plan(observed(), unasked)).toEqual({ state: 'asking', step: 'claimed' });
  });

  test('with the finalizer, then the claim', () => {
    const next = plan(observed(), allowed);

    expect(next).toMatchObject({
      state: 'acting',
      step: 'claimed',
      effects: [
        {
          kind: 'patch',
          ref: { namespace, name: 'target' },
          uid: 'dv-uid',
          resourceVersion: '10',
          patch: { metadata: { finalizers: [finalizer] } },
        },
        { kind: 'create', ownerUid: 'dv-uid' },
      ],
    });
  });

  test('keeping the finalizers of others', () => {
    const next = plan(observed(world(), volume({ metadata: { finalizers: ['theirs/one'] } })), allowed);

    expect(next).toMatchObject({ effects: [{ patch: { metadata: { finalizers: ['theirs/one', finalizer] } } }, {}] });
  });

  test('with the claim alone when the finalizer is there', () => {
    const next = plan(observed(world(), volume({ metadata: { finalizers: [finalizer] } })), allowed);

    expect(next).toMatchObject({ state: 'acting', effects: [{ kind: 'create' }] });
  });

  test('while pods only read the source, or have ended', () => {
    const stores = changed(({ pods }) => {
      pods.upsert(pod('reader', 'source', true));
      pods.upsert(pod('ended', 'source', false, 'Succeeded'));
      pods.upsert(pod('elsewhere', 'another'));
    });

    expect(plan(observed(stores), allowed)).toMatchObject({ state: 'acting', step: 'claimed' });
  });

  test('when a write to the source begins after the target claim is there', () => {
    const stores = changed((all) => {
      all.pods.upsert(pod('vm'));
      withTarget({})(all);
    });

    expect(plan(observed(stores), unasked)).toEqual({ state: 'done', effects: [] });
  });

  test('by deciding what admission had to put off', () => {
    const next = plan(observed(world(), volume({ strategy: null })), unasked);

    expect(next).toMatchObject({
      state: 'acting',
      step: 'decided',
      effects: [{ kind: 'patch', patch: { metadata: { annotations: { [annotations.cloneType]: 'csi-clone' } } } }],
    });
  });

  test('by deciding anew when annotation and record disagree', () => {
    const dataVolume = volume({ metadata: { annotations: { [annotations.cloneType]: 'copy' } } });

    expect(plan(observed(world(), dataVolume), unasked)).toMatchObject({ state: 'acting', step: 'decided' });
  });

  test('to its end when the claim is bound, also after the source is gone', () => {
    const stores = changed((all) => {
      gone(all);
      withTarget({})(all);
    });

    expect(plan(observed(stores), unasked)).toEqual({ state: 'done', effects: [] });
  });

  test('after a lost claim is bound again', () => {
    const stores = changed(withTarget({}));

    expect(plan(observed(stores, volume({ status: { phase: 'Failed' } })), unasked)).toEqual({
      state: 'done',
      effects: [],
    });
  });
});

describe('a clone that succeeded', () => {
  test('lets go of the finalizer once the status says so', () => {
    const stores = changed(withTarget({}));
    const dataVolume = volume({ status: succeeded, metadata: { finalizers: ['theirs/one', finalizer] } });

    expect(plan(observed(stores, dataVolume), unasked)).toMatchObject({
      state: 'done',
      effects: [{ patch: { metadata: { finalizers: ['theirs/one'] } }, resourceVersion: '10' }],
    });
  });

  test('is made again when its user deletes the claim, as CDI does it, but not before the right was asked for again', () => {
    const o = observed(world(), volume({ status: succeeded }));

    expect(plan(o, unasked)).toEqual({ state: 'asking', step: 'claimed' });
    expect(plan(o, allowed)).toMatchObject({ state: 'acting', effects: [{ kind: 'patch' }, { kind: 'create' }] });
  });

  test('is not made again of another source than the one that was authorized', () => {
    const stores = changed((all) => all.claims.upsert(claim('source', { metadata: { uid: 'another' } })));

    expect(plan(observed(stores, volume({ status: succeeded })), allowed)).toMatchObject({
      state: 'waiting',
      wait: { phase: 'Failed', reason: 'SourceReplaced' },
    });
  });

  test('is left alone when it was not ours', () => {
    const stamp = { valid: false, message: 'no stamp' } as const;

    expect(plan(observed(world(), volume({ status: succeeded }), stamp), allowed)).toEqual({ state: 'ignored' });
  });
});

describe('a DataVolume that is deleted', () => {
  test('is let go at once', () => {
    const dataVolume = volume({ metadata: { deletionTimestamp: created, finalizers: [finalizer] } });

    expect(plan(observed(world(), dataVolume), allowed)).toMatchObject({
      state: 'acting',
      step: 'released',
      effects: [{ patch: { metadata: { finalizers: [] } } }],
    });
  });

  test('is left alone without our finalizer', () => {
    const dataVolume = volume({ metadata: { deletionTimestamp: created } });
    expect(plan(observed(world(), dataVolume), allowed)).toMatchObject({ state: 'acting', effects: [] });
  });
});

test('a DataVolume that is no clone is not ours', () => {
  const upload = volume({ spec: { source: { upload: {} }, pvc: {} } });
  expect(plan(observed(world(), upload), allowed)).toEqual({ state: 'ignored' });
});
