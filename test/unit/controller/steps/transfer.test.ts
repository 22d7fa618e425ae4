import { describe, expect, test } from 'vitest';
import { unasked } from '../../../../controller/authorize.ts';
import { copyPodName, temporaryName } from '../../../../controller/children.ts';
import { letGo, plan } from '../../../../controller/planner.ts';
import { cleanUp } from '../../../../controller/steps/cleanup.ts';
import { annotations, finalizer, labels } from '../../../../shared/api/names.ts';
import { claim, created, owner, pod, uid, volume, type World } from '../world.ts';
import { blank } from './copies.ts';
import {
  allowed,
  elsewhere,
  filled,
  given,
  helper,
  late,
  moving,
  type Situation,
  taken,
  temporary,
  waiting,
} from './elsewhere.ts';

/** A clone from one namespace into another, state by state (the table in steps/transfer.ts). */

const withClaims =
  (...claims: readonly ReturnType<typeof claim>[]) =>
  (stores: World): void => {
    for (const one of claims) stores.claims.upsert(one);
  };
const withVolume =
  (one: ReturnType<typeof filled>) =>
  (stores: World): void =>
    stores.persistentVolumes.upsert(one);
const all =
  (...changes: readonly ((stores: World) => void)[]) =>
  (stores: World): void => {
    for (const change of changes) change(stores);
  };
const node = { [annotations.selectedNode]: 'node-1' };
const owned = { ownerReferences: [owner] };

interface Row extends Situation {
  readonly name: string;
  readonly becomes: object;
}

const next: readonly Row[] = [
  {
    name: 'first the target claim is made, which no provisioner touches',
    becomes: {
      step: 'claimed',
      effects: [
        { kind: 'patch', patch: { metadata: { finalizers: [finalizer] } } },
        {
          kind: 'create',
          object: {
            metadata: { namespace: 'tenant', name: 'target', ownerReferences: [{ uid, controller: true }] },
            spec: {
              dataSourceRef: { apiGroup: 'cdi.kubevirt.io', kind: 'DataVolume', name: 'target' },
              resources: { requests: { storage: '1Gi' } },
            },
          },
        },
      ],
    },
  },
  {
    name: 'the target claim is made in the size that is asked for',
    volume: { claim: { resources: { requests: { storage: '3Gi' } } } },
    becomes: { step: 'claimed', effects: [{}, { object: { spec: { resources: { requests: { storage: '3Gi' } } } } }] },
  },
  {
    name: 'then the temporary claim beside the source, in the size of that',
    volume: { claim: { resources: { requests: { storage: '3Gi' } } }, metadata: { finalizers: [finalizer] } },
    change: withClaims(waiting()),
    becomes: {
      step: 'temporary-made',
      effects: [
        {
          kind: 'create',
          ownerUid: uid,
          object: {
            metadata: { namespace: 'golden', name: temporaryName(uid), labels: { [labels.ownerUid]: uid } },
            spec: {
              dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'source' },
              resources: { requests: { storage: '1Gi' } },
            },
          },
        },
      ],
    },
  },
  {
    name: 'the first consumer is waited for before anything is read',
    change: all(late, withClaims(waiting())),
    becomes: { state: 'waiting', wait: { phase: 'PendingPopulation', reason: 'WaitForFirstConsumer' } },
  },
  {
    name: 'a pod is the first consumer of a user who does not want to wait',
    volume: { metadata: { annotations: { [annotations.bindImmediately]: '' } } },
    change: all(late, withClaims(waiting())),
    becomes: {
      step: 'consumed',
      effects: [{ kind: 'create', object: { kind: 'Pod', metadata: { namespace: 'tenant' } } }],
    },
  },
  {
    name: 'there is one such pod only',
    volume: { metadata: { annotations: { [annotations.bindImmediately]: '' } } },
    change: all(late, withClaims(waiting()), ({ pods }) => pods.upsert(helper('tenant', 'target'))),
    becomes: { state: 'waiting', wait: { reason: 'WaitForFirstConsumer' } },
  },
  {
    name: 'the node of the consumer is handed on to the temporary claim',
    change: all(late, withClaims(waiting({ metadata: { annotations: node } }))),
    becomes: { step: 'temporary-made', effects: [{}, { object: { metadata: { annotations: node } } }] },
  },
  {
    name: 'a node without room is given back, and the temporary claim goes with it',
    change: all(
      late,
      withClaims(waiting({ metadata: { annotations: node } }), temporary({ phase: 'Pending', capacity: null })),
    ),
    becomes: {
      step: 'placed',
      effects: [
        {
          kind: 'patch',
          uid: 'target-uid',
          patch: { metadata: { annotations: { [annotations.selectedNode]: null } } },
        },
        { kind: 'delete', uid: 'temporary-uid' },
      ],
    },
  },
  {
    name: 'the driver is waited for',
    change: withClaims(waiting(), temporary({ phase: 'Pending', capacity: null })),
    becomes: {
      state: 'waiting',
      wait: {
        phase: 'CSICloneInProgress',
        message: 'the CSI driver clones golden/source into golden/clonegate-dv-uid',
        atWork: true,
        on: { kind: 'PersistentVolumeClaim', namespace: 'golden', uid: 'temporary-uid' },
      },
    },
  },
  {
    name: 'what somebody deletes on the way is made again when it is gone',
    change: withClaims(waiting(), temporary({ metadata: { deletionTimestamp: created } })),
    becomes: { state: 'waiting', wait: { phase: 'CSICloneInProgress', reason: 'ErrResourceMarkedForDeletion' } },
  },
  {
    name: 'a source that goes under the driver is told',
    change: all(withClaims(waiting(), temporary({ phase: 'Pending', capacity: null })), ({ claims }) =>
      claims.delete(claim('source', { metadata: { namespace: 'golden', uid: 'golden-uid' } })),
    ),
    becomes: { state: 'waiting', wait: { reason: 'CloneWithoutSource' } },
  },
  {
    name: 'a source that is on its way out under the driver is told: nothing may be begun with it any more',
    change: all(withClaims(waiting(), temporary({ phase: 'Pending', capacity: null })), ({ claims }) =>
      claims.upsert(
        claim('source', { metadata: { namespace: 'golden', uid: 'golden-uid', deletionTimestamp: created } }),
      ),
    ),
    becomes: { state: 'waiting', wait: { phase: 'CSICloneInProgress', reason: 'SourceTerminating' } },
  },
  {
    name: 'a temporary claim without its volume has failed',
    change: withClaims(waiting(), temporary({ phase: 'Lost' })),
    becomes: { state: 'waiting', wait: { phase: 'Failed', reason: 'ErrClaimLost' } },
  },
  {
    name: 'a lost one whose volume is there is only seen too early',
    change: all(withClaims(waiting(), temporary({ phase: 'Lost' })), withVolume(filled())),
    becomes: { state: 'waiting', wait: { phase: 'CSICloneInProgress' } },
  },
  {
    name: 'it grows before it is handed over',
    volume: { claim: { resources: { requests: { storage: '3Gi' } } } },
    change: all(withClaims(waiting(), temporary()), withVolume(filled())),
    becomes: {
      step: 'asked-for',
      effects: [
        { kind: 'patch', uid: 'temporary-uid', patch: { spec: { resources: { requests: { storage: '3Gi' } } } } },
      ],
    },
  },
  {
    name: 'a pod that helped it to grow is sent away',
    change: all(withClaims(waiting(), temporary()), withVolume(filled()), ({ pods }) =>
      pods.upsert(helper('golden', temporaryName(uid))),
    ),
    becomes: { step: 'released', effects: [{ kind: 'delete', ref: { namespace: 'golden' } }] },
  },
  {
    name: 'and waited for: a node lets go of a volume before another claim gets it',
    change: all(withClaims(waiting(), temporary()), withVolume(filled()), ({ pods }) =>
      pods.upsert(helper('golden', temporaryName(uid), { deletionTimestamp: created })),
    ),
    becomes: { state: 'waiting', step: 'released', wait: { phase: 'PrepClaimInProgress' } },
  },
  {
    name: 'a volume that is not known yet is waited for',
    change: withClaims(waiting(), temporary()),
    becomes: {
      state: 'waiting',
      wait: { reason: 'RebindInProgress', message: 'PersistentVolume pv-of-clonegate-dv-uid is not known yet' },
    },
  },
  {
    name: 'a volume that another claim has is not touched',
    change: all(
      withClaims(waiting(), temporary()),
      withVolume(filled({ spec: { claimRef: { namespace: 'golden', name: 'other', uid: 'other-uid' } } })),
    ),
    becomes: { state: 'waiting', wait: { phase: 'RebindInProgress', reason: 'ErrResourceExists' } },
  },
  {
    name: 'one write turns the volume to the target claim and keeps it from being deleted',
    change: all(withClaims(waiting(), temporary()), withVolume(filled())),
    becomes: {
      state: 'acting',
      step: 'moved',
      effects: [
        {
          kind: 'patch',
          uid: 'pv-uid',
          resourceVersion: '7',
          patch: {
            metadata: { labels: { [labels.ownerUid]: uid }, annotations: { [annotations.reclaimPolicy]: 'Delete' } },
            spec: {
              persistentVolumeReclaimPolicy: 'Retain',
              claimRef: {
                apiVersion: 'v1',
                kind: 'PersistentVolumeClaim',
                namespace: 'tenant',
                name: 'target',
                uid: 'target-uid',
                resourceVersion: null,
              },
            },
          },
        },
      ],
    },
  },
  {
    name: 'the binder is waited for',
    change: all(withClaims(waiting(), temporary({ phase: 'Lost' })), withVolume(moving())),
    becomes: { state: 'waiting', step: 'rebound', wait: { phase: 'RebindInProgress', reason: 'RebindInProgress' } },
  },
  {
    name: 'a target claim that was made again gets the volume too',
    change: all(withClaims(waiting({ metadata: { uid: 'again-uid' } })), withVolume(moving())),
    becomes: {
      state: 'acting',
      step: 'moved',
      effects: [{ kind: 'patch', uid: 'pv-uid', patch: { spec: { claimRef: { uid: 'again-uid' } } } }],
    },
  },
  {
    name: 'a target claim that is gone is made again',
    change: withVolume(moving()),
    becomes: { state: 'acting', step: 'claimed', effects: [{}, { kind: 'create' }] },
  },
  {
    name: 'a target claim that somebody bound to another volume is told',
    change: all(
      withClaims(waiting({ phase: 'Bound', spec: { volumeName: 'theirs' }, capacity: '1Gi' }), temporary()),
      withVolume(filled()),
    ),
    becomes: { state: 'waiting', step: 'moved', wait: { reason: 'ErrResourceExists' } },
  },
  {
    name: 'when it is bound, the volume is like any other again and the rest goes',
    change: all(
      withClaims(
        waiting({ phase: 'Bound', capacity: '1Gi', spec: { volumeName: filled().metadata.name } }),
        temporary({ phase: 'Lost' }),
      ),
      withVolume(moving()),
    ),
    becomes: {
      state: 'acting',
      step: 'cleared',
      effects: [
        {
          kind: 'patch',
          uid: 'pv-uid',
          patch: {
            metadata: { labels: { [labels.ownerUid]: null }, annotations: { [annotations.reclaimPolicy]: null } },
            spec: { persistentVolumeReclaimPolicy: 'Delete' },
          },
        },
        { kind: 'delete', uid: 'temporary-uid' },
      ],
    },
  },
  {
    name: 'then the clone is complete',
    change: withClaims(waiting({ phase: 'Bound', capacity: '1Gi', spec: { volumeName: filled().metadata.name } })),
    becomes: { state: 'done', effects: [] },
  },
  {
    name: 'a target claim that lost its volume has failed',
    change: withClaims(waiting({ phase: 'Lost', spec: { volumeName: 'gone' } })),
    becomes: { state: 'waiting', wait: { phase: 'Failed', reason: 'ErrClaimLost' } },
  },
  {
    name: 'a source in use is waited for also when the target claim is there',
    change: all(withClaims(waiting()), ({ pods }) =>
      pods.upsert({ ...pod('vm'), metadata: { ...pod('vm').metadata, namespace: 'golden' } }),
    ),
    becomes: { state: 'waiting', wait: { reason: 'CloneSourceInUse' } },
  },
  {
    name: 'a pod that writes to the source later does not matter',
    change: all(withClaims(waiting(), temporary({ phase: 'Pending', capacity: null })), ({ pods }) =>
      pods.upsert({ ...pod('vm'), metadata: { ...pod('vm').metadata, namespace: 'golden' } }),
    ),
    becomes: { state: 'waiting', wait: { reason: 'CSICloneInProgress' } },
  },
  {
    name: 'what a strategy that failed has left goes first',
    kind: 'VolumeSnapshot',
    strategy: 'snapshot',
    change: all(withClaims(waiting(), temporary({ phase: 'Pending', capacity: null })), ({ snapshots }) =>
      snapshots.upsert(given({ readyToUse: true })),
    ),
    becomes: { state: 'acting', step: 'fitting', effects: [{ kind: 'delete', uid: 'temporary-uid' }] },
  },
];

describe('into another namespace:', () => {
  test.each(next)('$name', ({ name: _name, becomes, ...situation }) => {
    expect(plan(elsewhere(situation), allowed)).toMatchObject(becomes);
  });

  test.each([
    ['the target claim', () => undefined],
    ['the temporary claim', withClaims(waiting())],
  ])('the right is asked for before %s is made', (_name, change) => {
    expect(plan(elsewhere({ change }), unasked)).toMatchObject({ state: 'asking' });
  });

  test("somebody else's claim under the temporary name is not taken for ours", () => {
    const { labels: _labels, ...metadata } = temporary().metadata;
    const foreign = { ...temporary(), metadata };

    expect(elsewhere({ change: withClaims(foreign) }).children.temporary).toBeUndefined();
    expect(plan(elsewhere({ change: withClaims(waiting(), foreign) }), allowed)).toMatchObject({
      step: 'temporary-made',
    });
  });

  test('our marks on an object of another name do not make it ours', () => {
    const stray = claim('precious', { metadata: { namespace: 'golden', labels: temporary().metadata.labels ?? {} } });

    expect(cleanUp(elsewhere({ change: withClaims(stray) }).children)).toEqual([]);
  });
});

describe('when the source is deleted and made again', () => {
  const replaced = claim('source', { metadata: { namespace: 'golden', uid: 'another' } });
  const of = (strategy: Situation['strategy'], ...changes: readonly ((stores: World) => void)[]) => {
    const o = elsewhere({
      ...(strategy === undefined ? {} : { strategy }),
      change: all(withClaims(replaced), ...changes),
    });
    const source = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'source', uid: 'golden-uid' } as const;
    return plan({ ...o, source: o.source && { ...o.source, ref: source } }, allowed);
  };
  const failed = { state: 'waiting', step: 'same-source', wait: { phase: 'Failed', reason: 'SourceReplaced' } };

  test('a temporary claim without a volume goes, before it is filled with what nobody was authorized for', () => {
    const pending = temporary({ phase: 'Pending', capacity: null });

    expect(of('csi-clone', withClaims(waiting(), pending))).toMatchObject({
      state: 'acting',
      step: 'same-source',
      effects: [{ kind: 'delete', uid: 'temporary-uid', resourceVersion: '10' }],
    });
    expect(of('csi-clone', withClaims(waiting()))).toMatchObject(failed);
  });

  test('a snapshot that is bound to nothing yet goes', () => {
    const taking = ({ snapshots }: World): void => snapshots.upsert(taken());

    expect(of('snapshot', withClaims(waiting()), taking)).toMatchObject({
      step: 'same-source',
      effects: [{ kind: 'delete', resource: { plural: 'volumesnapshots' } }],
    });
  });

  test('the pods of a copy go, and what they have copied so far', () => {
    const copying = ({ pods }: World): void =>
      pods.upsert({
        ...helper('golden', temporaryName(uid)),
        metadata: { ...helper('golden', '').metadata, name: copyPodName(uid), uid: 'copy-pod' },
      });

    expect(of('copy', withClaims(waiting(), blank()), copying)).toMatchObject({
      step: 'same-source',
      effects: [
        { kind: 'delete', uid: 'copy-pod' },
        { kind: 'delete', uid: 'temporary-uid' },
      ],
    });
  });

  test('what has its bytes already does not mind', () => {
    expect(of('csi-clone', withClaims(waiting(), temporary()), withVolume(filled()))).toMatchObject({ step: 'moved' });
  });
});

describe('a volume that somebody else has', () => {
  const spy = (claimName: string, { readOnly = true, phase = 'Running', namespace = 'golden' } = {}) => {
    const one = pod('spy', claimName, readOnly, phase);
    return ({ pods }: World): void => pods.upsert({ ...one, metadata: { ...one.metadata, namespace } });
  };
  const spying = spy(temporaryName(uid));
  const ready = all(withClaims(waiting(), temporary()), withVolume(filled()));
  const handedOver = withClaims(
    waiting({ phase: 'Bound', capacity: '1Gi', spec: { volumeName: filled().metadata.name } }),
  );

  test('is not handed over, though he only reads it', () => {
    expect(plan(elsewhere({ change: all(ready, spying) }), allowed)).toMatchObject({
      state: 'waiting',
      step: 'unused',
      wait: {
        phase: 'PrepClaimInProgress',
        type: 'Warning',
        message: `PersistentVolumeClaim golden/${temporaryName(uid)} is in use by pod golden/spy; the volume is handed over when they have ended`,
      },
    });
  });

  test('is not whole when it was, before he was seen', () => {
    expect(plan(elsewhere({ change: all(handedOver, spying) }), allowed)).toMatchObject({
      state: 'waiting',
      step: 'forsaken',
      wait: { phase: 'RebindInProgress', on: { kind: 'Pod', namespace: 'golden', name: 'spy' } },
    });
  });

  test.each([
    ['the pod has ended', spy(temporaryName(uid), { phase: 'Succeeded' })],
    ['the pod has another claim', spy('clonegate-another')],
    ['the pod is in another namespace', spy(temporaryName(uid), { namespace: 'attacker' })],
  ])('is handed over when %s', (_name, change) => {
    expect(plan(elsewhere({ change: all(ready, change) }), allowed)).toMatchObject({ state: 'acting', step: 'moved' });
    expect(plan(elsewhere({ change: all(handedOver, change) }), allowed)).toMatchObject({ state: 'done' });
  });
});

describe('a DataVolume that is deleted', () => {
  const held = volume({ metadata: { finalizers: [finalizer], deletionTimestamp: created } });

  test('is let go of when nothing is left of it', () => {
    expect(letGo(held, elsewhere().children).effects).toMatchObject([{ patch: { metadata: { finalizers: [] } } }]);
  });

  test('takes all that it made along, the volume first, and waits for none of it', () => {
    const change = all(withClaims(waiting(), temporary()), withVolume(moving()), ({ pods }) =>
      pods.upsert(helper('golden', temporaryName(uid))),
    );

    expect(letGo(held, elsewhere({ change }).children).effects).toMatchObject([
      { kind: 'patch', uid: 'pv-uid', patch: { spec: { persistentVolumeReclaimPolicy: 'Delete' } } },
      { kind: 'delete', resource: { plural: 'pods' } },
      { kind: 'delete', uid: 'temporary-uid' },
      { kind: 'patch', patch: { metadata: { finalizers: [] } } },
    ]);
  });

  test('does not delete twice what is on its way out', () => {
    const change = withClaims(temporary({ metadata: { deletionTimestamp: created, ...owned } }));

    expect(letGo(held, elsewhere({ change }).children).effects).toHaveLength(1);
  });

  test.each([
    ['is gone', {}],
    ['is nonsense', { [annotations.reclaimPolicy]: 'Explode' }],
  ])('keeps a volume for which the note of its policy %s', (_name, noted) => {
    const change = withVolume(moving({ metadata: { annotations: noted } }));
    const [effect] = cleanUp(elsewhere({ change }).children);

    expect(effect).toMatchObject({ kind: 'patch', patch: { metadata: { labels: { [labels.ownerUid]: null } } } });
    expect(effect).not.toHaveProperty('patch.spec');
  });
});
