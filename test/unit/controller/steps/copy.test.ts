import { describe, expect, test } from 'vitest';
import { unasked } from '../../../../controller/authorize.ts';
import { copyPodName, temporaryName } from '../../../../controller/children.ts';
import { type CopyRecord } from '../../../../controller/copy/record.ts';
import { holdsBytes } from '../../../../controller/origin.ts';
import { plan } from '../../../../controller/planner.ts';
import { cleanUp } from '../../../../controller/steps/cleanup.ts';
import { annotations } from '../../../../shared/api/names.ts';
import type { PersistentVolumeClaim, Stored } from '../../../../shared/api/objects.ts';
import type { PodStatus } from '../../../../shared/api/pod.ts';
import { claim, created, now, observed, pod, target, uid, valid, volume, type World, world } from '../world.ts';
import {
  all,
  blank,
  type Change,
  copying,
  failed,
  failure,
  golden,
  look,
  next,
  pendingBlank,
  running,
  type Situation,
  succeeded,
  vm,
  whole,
  withClaims,
} from './copies.ts';
import { allowed, filled, helper, late, temporary, waiting } from './elsewhere.ts';

/** What is to be done about a copy, in every state that it can be in. */

describe('a copy', () => {
  test('has its target claim first, from the DataVolume, so that nobody fills it', () => {
    const effects = [{}, { object: { metadata: { name: 'target' }, spec: { dataSourceRef: { kind: 'DataVolume' } } } }];
    expect(next()).toMatchObject({ step: 'claimed', effects });
  });

  test('has a blank claim beside the source, as the target will be, of this try', () => {
    const options = { claim: { volumeMode: 'Block', dataSourceRef: { kind: 'X', name: 'x' } } } as const;
    const acting = next({ change: withClaims(waiting()), ...options });

    expect(acting).toMatchObject({
      step: 'temporary-made',
      effects: [
        {},
        {
          object: {
            metadata: { namespace: golden, annotations: { [annotations.copyAttempt]: '0' } },
            spec: { volumeMode: 'Block', storageClassName: 'fast', resources: { requests: { storage: '1Gi' } } },
          },
        },
      ],
    });
    expect(acting).not.toHaveProperty('effects.1.object.spec.dataSourceRef');
    expect(next({ change: withClaims(waiting()) }, unasked)).toMatchObject({ state: 'asking' });
  });

  test.each<[string, Situation, string]>([
    ['as asked for', { claim: { resources: { requests: { storage: '3Gi' } } } }, '3Gi'],
    [
      'with what a file system takes',
      { spec: { source: {}, storage: { resources: { requests: { storage: '1Gi' } } } } },
      '1138166334',
    ],
    ['as the source', { spec: { source: {}, storage: {} } }, '1Gi'],
  ])('is of the right size: %s', (_name, situation, storage) => {
    const source = { pvc: { namespace: golden, name: 'source' } };
    const spec = situation.spec === undefined ? {} : { spec: { ...situation.spec, source } };
    expect(next({ ...situation, ...spec, change: withClaims(waiting()) })).toMatchObject({
      effects: [{}, { object: { spec: { resources: { requests: { storage } } } } }],
    });
  });

  test('of a device onto a file system has room for that, too', () => {
    const device = claim('source', {
      metadata: { namespace: golden, uid: 'golden-uid' },
      spec: { volumeMode: 'Block' },
    });
    const spec = { source: { pvc: { namespace: golden, name: 'source' } }, storage: { volumeMode: 'Filesystem' } };
    expect(next({ spec, change: withClaims(waiting(), device) })).toMatchObject({
      effects: [{}, { object: { spec: { resources: { requests: { storage: '1138166334' } } } } }],
    });
  });

  test('waits for the blank volume, and says what the storage is at', () => {
    expect(next({ change: withClaims(waiting(), pendingBlank) })).toMatchObject({
      step: 'temporary-bound',
      wait: { phase: 'CloneScheduled', atWork: true, on: { uid: 'temporary-uid' } },
    });
  });

  test('has a pod when that is there, and asks for the right again before', () => {
    const change = withClaims(waiting(), blank());
    expect(next({ change }, unasked)).toMatchObject({ state: 'asking', step: 'copy-started' });
    expect(next({ change })).toMatchObject({
      effects: [{ object: { metadata: { name: copyPodName(uid), namespace: golden } } }],
    });
  });

  test.each<[string, Situation, string]>([
    ['is not for one of the same size', {}, '--image-size=0'],
    [
      'is for a larger one, but for what the file system takes',
      { claim: { resources: { requests: { storage: '2Gi' } } } },
      '--image-size=2025848832',
    ],
    [
      'is not for a device',
      { claim: { volumeMode: 'Block', resources: { requests: { storage: '2Gi' } } } },
      '--image-size=0',
    ],
  ])('a larger image %s', (_name, situation, arg) => {
    const acting = next({ ...situation, change: withClaims(waiting(), blank({ capacity: '2Gi' })) });
    expect(acting).toMatchObject({
      effects: [{ object: { spec: { containers: [{ args: expect.arrayContaining([arg]) }] } } }],
    });
  });

  test.each<[string, PodStatus, object]>([
    ['that prepares', {}, { phase: 'CloneScheduled', reason: 'CopyPodPending', brief: true }],
    [
      'that fits nowhere',
      { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no' }] },
      { phase: 'CloneScheduled', reason: 'CopyPodUnschedulable', type: 'Warning', on: { uid: 'copy-uid' } },
    ],
    [
      'that copies',
      running,
      {
        phase: 'CloneInProgress',
        reason: 'CloneInProgress',
        copying: 'plain',
        message: 'a pod copies PersistentVolumeClaim golden/source into tenant/target',
      },
    ],
  ])('waits for a pod %s', (_name, status, wait) => {
    expect(next({ change: all(withClaims(waiting(), blank()), copying(status)) })).toMatchObject({
      step: 'copied',
      wait,
    });
  });

  test('notes on the claim that it is whole, and tells of it', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const change = (status: PodStatus) => all(withClaims(waiting(), blank()), copying(status));
    expect(next({ change: change(succeeded()) })).toMatchObject({
      step: 'copied',
      effects: [
        {
          uid: 'temporary-uid',
          patch: { metadata: { annotations: { [annotations.copied]: '{"bytes":"42","seconds":2}' } } },
        },
      ],
      happening: { what: 'copied', copied: { bytes: 42n } },
    });
    expect(next({ change: change(succeeded({ digest })) })).toMatchObject({
      effects: [
        { uid, patch: { metadata: { annotations: { [annotations.digest]: digest } } } },
        { uid: 'temporary-uid' },
      ],
    });
    expect(
      next({ change: change(succeeded({ digest })), metadata: { annotations: { [annotations.digest]: digest } } }),
    ).toMatchObject({
      effects: [{ uid: 'temporary-uid' }],
    });
  });

  test('sends the pod away and waits until its node is done, before the volume goes to the target', () => {
    const change = (going: boolean) => all(withClaims(waiting(), whole), copying(succeeded(), { going }));
    expect(next({ change: change(false) })).toMatchObject({
      step: 'copy-ended',
      effects: [{ kind: 'delete', uid: 'copy-uid' }],
    });
    expect(next({ change: change(true) })).toMatchObject({ state: 'waiting', step: 'copy-ended' });
    const gone = all(withClaims(waiting(), whole), ({ persistentVolumes }) => persistentVolumes.upsert(filled()));
    expect(next({ change: gone })).toMatchObject({ step: 'moved' });
  });

  test('is never handed over when it is not known to be whole', () => {
    const change = all(withClaims(waiting(), blank()), ({ persistentVolumes }) => persistentVolumes.upsert(filled()));
    expect(next({ change })).toMatchObject({ step: 'copy-started' });
    expect(holdsBytes(blank())).toBe(false);
    expect(holdsBytes(whole)).toBe(true);
    expect(holdsBytes(temporary())).toBe(true);
  });
});

describe('within one namespace', () => {
  const stamp = { ...valid };
  const here = (...claims: readonly Stored<PersistentVolumeClaim>[]) => {
    const stores = world();
    withClaims(...claims)(stores);
    return plan(observed(stores, volume({ strategy: 'copy' }), stamp), allowed);
  };

  test('a copy goes into a claim of its own, too', () => {
    expect(here(waiting())).toMatchObject({
      step: 'temporary-made',
      effects: [
        {},
        { object: { metadata: { namespace: 'tenant', name: temporaryName(uid), ownerReferences: [{ uid }] } } },
      ],
    });
  });

  test('a pod that keeps the target claim wanted does not count as one that has the temporary claim', () => {
    const stores = world();
    const mine = { ...whole, metadata: { ...whole.metadata, namespace: 'tenant' } };
    withClaims(waiting(), mine)(stores);
    stores.pods.upsert(helper('tenant', 'target'));
    expect(plan(observed(stores, volume({ strategy: 'copy' }), stamp), allowed)).toMatchObject({ step: 'moved' });
  });
});

describe('a copy that fails', () => {
  const change = (status: PodStatus) => all(withClaims(waiting(), blank()), copying(status));
  const noted = (situation: Situation): Record<string, unknown> => {
    const acting = next(situation);
    if (acting.state !== 'acting') throw new Error(`it is ${acting.state}`);
    expect(acting).toMatchObject({ step: 'copied', effects: [{ kind: 'patch', uid }] });
    const [effect] = acting.effects;
    const { patch } = effect as { patch: { metadata: { annotations: Record<string, string> } } };
    return JSON.parse(patch.metadata.annotations[annotations.copy] ?? '') as Record<string, unknown>;
  };

  test('is counted in one write', () => {
    expect(noted({ change: change(failed()) })).toEqual({ ...failure, at: new Date(now).toISOString() });
    expect(next({ change: change(failed()) })).toMatchObject({
      happening: { what: 'copy-failed', reason: 'CopyIOError' },
    });
    const again = all(withClaims(waiting(), blank({}, 1)), copying(failed()));
    expect(noted({ record: {}, change: again })).toMatchObject({ attempts: 2, failures: 2, final: false });
    expect(noted({ change: change(failed({ retry: false })) })).toMatchObject({ final: true });
  });

  test('for the sake of others is not counted against its budget', () => {
    const drained = {
      ...failed(),
      conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }],
    };
    expect(noted({ change: change(drained) })).toMatchObject({ attempts: 1, failures: 0, reason: 'CopyEvicted' });
  });

  describe('of a tree', () => {
    const tree = {
      spec: { source: { pvc: { namespace: golden, name: 'source' } }, pvc: {}, contentType: 'archive' },
    } as const;
    const drained = {
      ...failed(),
      conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }],
    };
    const lost = {
      ...drained,
      conditions: [{ ...drained.conditions[0], type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC' }],
    };
    const tool = failed({ reason: 'CopyToolFailed' });

    test.each<[string, Situation, number | undefined]>([
      ['a drain', { ...tree, change: change(drained) }, 0],
      ['a drain of an image', { change: change(drained) }, undefined],
      ['a node that is lost', { ...tree, change: change(lost) }, undefined],
      ['an I/O error', { ...tree, change: change(failed()) }, undefined],
      ['an I/O error of the source', { ...tree, change: change(failed({ side: 'source' })) }, 0],
      ['a wrong copy', { ...tree, change: change(failed({ reason: 'CopyVerificationFailed' })) }, undefined],
      ['a full target', { ...tree, change: change(failed({ reason: 'CopyNoSpace', side: 'source' })) }, undefined],
      ['a tool', { ...tree, change: change(tool) }, 0],
      [
        'a tool, again on the same claim',
        { ...tree, record: { kept: 0 }, change: all(withClaims(waiting(), blank()), copying(tool, { attempt: 1 })) },
        undefined,
      ],
      [
        'a drain, again on the same claim',
        { ...tree, record: { kept: 0 }, change: all(withClaims(waiting(), blank()), copying(drained, { attempt: 1 })) },
        0,
      ],
    ])('keeps its claim unless that may be why it failed: %s', (_name, situation, kept) => {
      expect(noted(situation)['kept']).toBe(kept);
    });

    test('goes on with the claim of the earlier try, with another pod, after the pause', () => {
      const record = { kept: 0 };
      const claimed = withClaims(waiting(), blank());
      const end = next({ ...tree, record, change: all(claimed, copying(tool)) });
      expect(end).toMatchObject({ step: 'outdated', effects: [{ uid: 'copy-uid' }] });
      expect(end).not.toHaveProperty('effects.1');
      expect(next({ ...tree, record, at: now + 4000, change: claimed })).toMatchObject({
        step: 'rested',
        wait: { again: 6000, message: expect.stringContaining('; the copy goes on at ') },
      });
      expect(next({ ...tree, record, at: now + 10_000, change: claimed })).toMatchObject({
        step: 'copy-started',
        effects: [{ object: { metadata: { annotations: { [annotations.copyAttempt]: '1' } } } }],
      });
      const under = all(claimed, copying(running, { attempt: 1 }));
      expect(next({ ...tree, record, at: now - 99_000, change: under })).toMatchObject({ step: 'copied' });
    });

    test.each<[string, Situation]>([
      ['it has failed for good', { ...tree, record: { kept: 0, failures: 4 } }],
      ['it is none any more', { record: { kept: 0 } }],
    ])('gives the claim up when %s', (_name, situation) => {
      expect(next({ ...situation, change: withClaims(waiting(), blank()) })).toMatchObject({
        step: 'outdated',
        effects: [{ uid: 'temporary-uid' }],
      });
    });

    test('gives the claim up when no node can go on with it, without a failure more', () => {
      const status = {
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no' }],
      };
      const stuck = all(withClaims(waiting(), blank()), copying(status, { attempt: 1 }));
      expect(next({ ...tree, record: { kept: 0 }, change: stuck })).toMatchObject({
        step: 'outdated',
        effects: [{ uid: 'copy-uid' }, { uid: 'temporary-uid' }],
      });
    });
  });

  test('leaves pod and claim of an earlier try, which go before anything else, and are waited for', () => {
    const left = (going: object) =>
      all(
        withClaims(waiting(), blank({ metadata: going })),
        copying(failed(), { going: 'deletionTimestamp' in going }),
      );
    expect(next({ record: {}, change: left({}) })).toMatchObject({
      step: 'outdated',
      effects: [{ uid: 'copy-uid' }, { uid: 'temporary-uid' }],
    });
    expect(next({ record: {}, change: left({ deletionTimestamp: created }) })).toMatchObject({
      state: 'waiting',
      step: 'outdated',
    });
  });

  test('is begun anew after a pause, which is told with its end', () => {
    const pause = next({ record: {}, at: now + 4000, change: withClaims(waiting()) });
    expect(pause).toMatchObject({
      step: 'rested',
      wait: {
        phase: 'CloneScheduled',
        reason: 'CopyIOError',
        again: 6000,
        message: `read failed; the copy is begun anew at ${new Date(now + 10_000).toISOString()}`,
      },
    });
    expect(next({ record: {}, at: now + 10_000, change: withClaims(waiting()) })).toMatchObject({
      step: 'temporary-made',
      effects: [{}, { object: { metadata: { annotations: { [annotations.copyAttempt]: '1' } } } }],
    });
    // What has begun is not held up by a clock that jumps.
    expect(next({ record: {}, at: now - 99_000, change: withClaims(waiting(), blank({}, 1)) })).toMatchObject({
      step: 'copy-started',
    });
  });

  test.each<[string, Partial<CopyRecord>, string]>([
    ['more often than it may', { attempts: 5, failures: 4 }, 'the copy failed 5 times; the last time: read failed'],
    ['in a way that will be the same again', { final: true }, 'the copy failed once; the last time: read failed'],
  ])('%s has failed for good', (_name, record, message) => {
    expect(next({ record, at: now + 1e9, change: withClaims(waiting()) })).toMatchObject({
      state: 'waiting',
      wait: { phase: 'Failed', reason: 'CopyIOError', message, failure: message },
    });
  });

  test('as often as it may is begun once more', () => {
    expect(next({ record: { attempts: 3, failures: 3 }, at: now + 1e9, change: withClaims(waiting()) })).toMatchObject({
      step: 'temporary-made',
    });
  });
});

describe('a pod that copies', () => {
  test.each<[string, Change]>([
    ['into a claim that is gone', copying(succeeded())],
    ['into a claim that was made again', all(withClaims(blank()), copying(succeeded(), { into: 'another-uid' }))],
    ['into a claim that goes', all(withClaims(blank({ metadata: { deletionTimestamp: created } })), copying(running))],
  ])('%s is worth nothing, whatever it says', (_name, change) => {
    expect(next({ change: all(withClaims(waiting()), change) })).toMatchObject({
      step: 'outdated',
      effects: [{ kind: 'delete', uid: 'copy-uid' }],
    });
  });

  test('is given up for a pod that writes to the source, and waits for its end', () => {
    const disturbed = all(withClaims(waiting(), blank()), vm);
    for (const status of [running, succeeded()])
      expect(next({ change: all(disturbed, copying(status)) })).toMatchObject({
        step: 'undisturbed',
        effects: [
          { kind: 'delete', uid: 'copy-uid' },
          { kind: 'delete', uid: 'temporary-uid' },
        ],
      });
    const going = blank({ metadata: { deletionTimestamp: created } });
    const end = all(withClaims(waiting(), going), vm, copying(running, { going: true }));
    expect(next({ change: end })).toMatchObject({ state: 'waiting', wait: { reason: 'CloneSourceInUse' } });
    expect(next({ change: all(withClaims(waiting()), vm) })).toMatchObject({
      step: 'source-ready',
      wait: { reason: 'CloneSourceInUse' },
    });
  });

  test('is not made while a pod writes to the source, though the blank volume is there', () => {
    expect(next({ change: all(withClaims(waiting(), blank()), vm) })).toMatchObject({
      step: 'source-ready',
      wait: { reason: 'CloneSourceInUse' },
    });
  });

  test('is not disturbed by who only reads, nor any more when the copy is whole', () => {
    const reader = (stores: World) =>
      stores.pods.upsert({ ...pod('r', 'source', true), metadata: { ...pod('r').metadata, namespace: golden } });
    expect(next({ change: all(withClaims(waiting(), blank()), reader, copying(running)) })).toMatchObject({
      step: 'copied',
    });
    expect(next({ change: all(withClaims(waiting(), whole), vm, copying(succeeded())) })).toMatchObject({
      step: 'copy-ended',
    });
  });
});

describe('where the class waits for the first consumer', () => {
  const immediate = { metadata: { annotations: { [annotations.bindImmediately]: '' } } };
  const placed = { annotations: { [annotations.selectedNode]: 'node-1' } };

  test('somebody has to want the target, and the blank volume is made on his node', () => {
    expect(next({ change: all(late, withClaims(waiting())) })).toMatchObject({ wait: { phase: 'PendingPopulation' } });
    expect(next({ change: all(late, withClaims(waiting({ metadata: placed }))) })).toMatchObject({
      effects: [
        {},
        { object: { metadata: { annotations: { ...placed.annotations, [annotations.copyAttempt]: '0' } } } },
      ],
    });
  });

  test('a node that has no room is given back', () => {
    expect(next({ change: all(late, withClaims(waiting({ metadata: placed }), pendingBlank)) })).toMatchObject({
      step: 'placed',
    });
  });

  test('who does not want to wait gets the copy pod as the first consumer, so that the scheduler looks at both volumes', () => {
    expect(next({ ...immediate, change: all(late, withClaims(waiting())) })).toMatchObject({ step: 'temporary-made' });
    expect(next({ ...immediate, change: all(late, withClaims(waiting(), pendingBlank)) })).toMatchObject({
      step: 'copy-started',
    });
    const chosen = blank({ phase: 'Pending', capacity: null, metadata: placed });
    expect(
      next({ ...immediate, change: all(late, withClaims(waiting(), chosen), copying({ phase: 'Pending' })) }),
    ).toMatchObject({
      wait: { on: { uid: 'temporary-uid' }, atWork: true },
    });
  });
});

describe('what a copy has left', () => {
  test('goes before another strategy: half a volume above all', () => {
    const change = all(withClaims(waiting(), blank()), copying(running));
    expect(next({ strategy: 'csi-clone', change })).toMatchObject({
      step: 'fitting',
      effects: [
        { kind: 'delete', uid: 'copy-uid' },
        { kind: 'delete', uid: 'temporary-uid' },
      ],
    });
  });

  test('and what another strategy has left goes before a copy, but for a volume that it has filled', () => {
    expect(next({ change: withClaims(waiting(), temporary({ phase: 'Pending', capacity: null })) })).toMatchObject({
      step: 'fitting',
      effects: [{ kind: 'delete', uid: 'temporary-uid' }],
    });
    expect(next({ change: withClaims(target({ phase: 'Pending', capacity: null })) })).toMatchObject({
      step: 'fitting',
    });
    const change = all(withClaims(waiting(), temporary()), ({ persistentVolumes }) =>
      persistentVolumes.upsert(filled()),
    );
    expect(next({ change })).toMatchObject({ step: 'moved' });
  });

  test('goes with its DataVolume', () => {
    const { children } = look({ change: all(withClaims(waiting(), blank()), copying(running)) });
    expect(cleanUp(children)).toMatchObject([{ uid: 'copy-uid' }, { uid: 'temporary-uid' }]);
  });
});

test('a limit that is no number holds the clone up, not the controller', () => {
  const metadata = { annotations: { [annotations.bandwidth]: 'fast' } };
  expect(next({ metadata })).toMatchObject({
    state: 'waiting',
    wait: { reason: 'CloneValidationFailed', message: expect.stringContaining('clonegate.io/bandwidth') },
  });
});
