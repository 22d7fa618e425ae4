import { describe, expect, test } from 'vitest';
import { unasked } from '../../../../controller/authorize.ts';
import { blockerOf } from '../../../../controller/blocker.ts';
import { childLabels, copyPodName, exportPodName, temporaryName } from '../../../../controller/children.ts';
import { plan } from '../../../../controller/planner.ts';
import { cleanUp } from '../../../../controller/steps/cleanup.ts';
import { annotations, labels } from '../../../../shared/api/names.ts';
import type { Stored } from '../../../../shared/api/objects.ts';
import type { Pod, PodStatus } from '../../../../shared/api/pod.ts';
import { created, meta, now, uid } from '../world.ts';
import {
  all,
  blank,
  type Change,
  copying,
  ended,
  failed,
  golden,
  look,
  next,
  running,
  succeeded,
  vm,
  whole,
  withClaims,
} from './copies.ts';
import { allowed, waiting } from './elsewhere.ts';

/** A copy by two pods: in every state, what is to be done. */

const proof = "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.";
const cordoned =
  "0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) didn't match PersistentVolume's node affinity.";
const refused = (message: string): PodStatus => ({
  phase: 'Pending',
  conditions: [
    { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime: created },
  ],
});

function notedIn(acting: ReturnType<typeof next>): unknown {
  const [effect] = acting.state === 'acting' ? acting.effects : [];
  if (effect?.kind !== 'patch') throw new Error(`it is ${acting.state}`);
  const { metadata } = effect.patch as { metadata: { annotations: Record<string, string> } };
  return JSON.parse(metadata.annotations[annotations.copy] ?? '');
}

interface More {
  readonly into?: string;
  readonly going?: boolean;
}

function pod(
  role: 'export' | 'import',
  status: PodStatus,
  { into = 'temporary-uid', going = false }: More,
): Stored<Pod> {
  const [name, own, claimName] =
    role === 'export'
      ? [exportPodName(uid), 'export-uid', 'source']
      : [copyPodName(uid), 'copy-uid', temporaryName(uid)];
  return {
    metadata: meta(name, {
      namespace: golden,
      uid: own,
      labels: { ...childLabels(uid), [labels.copyRole]: role },
      annotations: { [annotations.copiesInto]: into },
      ...(going ? { deletionTimestamp: created } : {}),
    }),
    spec: {
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName, readOnly: role === 'export' } }],
      containers: [{ name: 'copy', volumeMounts: [{ name: 'data', readOnly: role === 'export' }] }],
    },
    status,
  };
}

const exporting =
  (status: PodStatus, more: More = {}): Change =>
  ({ pods }) =>
    pods.upsert(pod('export', status, more));
const importing =
  (status: PodStatus, more: More = {}): Change =>
  ({ pods }) =>
    pods.upsert(pod('import', status, more));
const serving: PodStatus = { ...running, podIP: '10.1.2.3' };
const begun = withClaims(waiting(), blank());
const at = (...changes: readonly Change[]) => ({ change: all(begun, ...changes) });

describe('a pod that no node takes because of its volumes', () => {
  test('is joined by another one, after the key of both and the way between them', () => {
    const situation = at(copying(refused(proof)));
    expect(next(situation, unasked)).toMatchObject({ state: 'asking', step: 'copy-parted' });
    expect(next(situation)).toMatchObject({
      step: 'copy-parted',
      effects: [
        { resource: { plural: 'secrets' }, unseen: true, newKey: 'keys.psk' },
        { resource: { plural: 'networkpolicies' }, unseen: true },
        { resource: { plural: 'networkpolicies' }, unseen: true },
        { resource: { plural: 'pods' }, object: { metadata: { name: exportPodName(uid), namespace: golden } } },
      ],
      happening: { what: 'copy-parted', why: `no node reaches both volumes (${proof})` },
    });
  });

  test('is waited for when a node may take it yet, until when is told', () => {
    const wait = next({ ...at(copying(refused(cordoned))), at: now });
    expect(wait).toMatchObject({
      step: 'copied',
      wait: { reason: 'CopyPodUnschedulable', type: 'Warning', again: 240_000 },
    });
    expect(wait).toHaveProperty(
      'wait.message',
      `no node can run the copy pod: ${cordoned}; if that stays so, two pods copy over the network from ${new Date(now + 240_000).toISOString()} on`,
    );
    expect(next({ ...at(copying(refused(cordoned))), at: now + 240_000 })).toMatchObject({ step: 'copy-parted' });
  });

  test('is not waited for again when an earlier try took two', () => {
    const change = all(withClaims(waiting(), blank({}, 1)), copying(refused(cordoned)));
    expect(next({ record: { network: true }, change })).toMatchObject({ step: 'copy-parted' });
    expect(next({ record: {}, change })).toMatchObject({ step: 'copied' });
  });

  test('waits for a node that does where the administrator wants no other way, and says so', () => {
    const o = look(at(copying(refused(proof))));
    const off = { ...o, copying: { ...o.copying, policy: { ...o.copying.policy, network: false } } };
    expect(plan(off, allowed)).toMatchObject({
      step: 'copied',
      wait: { reason: 'CopyPodUnschedulable', message: expect.stringContaining('--copy-network is false') },
    });
  });

  test('goes when the other one is there, even if it got a node after all', () => {
    for (const status of [refused(proof), running])
      expect(next(at(exporting(serving), copying(status)))).toMatchObject({
        step: 'copy-replaced',
        effects: [{ kind: 'delete', uid: 'copy-uid' }],
      });
    expect(next(at(exporting(serving), copying(running, { going: true })))).toMatchObject({
      state: 'waiting',
      step: 'copy-replaced',
    });
  });
});

describe('the export pod', () => {
  test.each<[string, PodStatus, object]>([
    ['prepares', {}, { reason: 'CopyPodPending', brief: true }],
    ['runs without an address', running, { reason: 'CopyPodPending' }],
    ['has an address that is none', { ...running, podIP: '--role=copy' }, { reason: 'CopyPodPending' }],
    [
      'fits nowhere, either',
      refused('no'),
      { reason: 'CopyPodUnschedulable', message: 'no node can run the export pod: no' },
    ],
  ])('is waited for when it %s', (_name, status, wait) => {
    const on = { uid: 'export-uid' };
    expect(next(at(exporting(status)))).toMatchObject({ step: 'copy-exporting', wait: { ...wait, on } });
  });

  test('may tell its events to the owner of the DataVolume', () => {
    const o = look(at(exporting({})));
    const on = { uid: 'export-uid', namespace: golden };
    expect(blockerOf(o, { phase: 'CloneScheduled', reason: 'CopyPodPending', message: '', type: 'Normal', on })).toBe(
      on,
    );
  });

  test('is followed by a pod that has the target only, and its address', () => {
    const acting = next(at(exporting(serving)));
    expect(acting).toMatchObject({
      step: 'copy-started',
      effects: [
        {
          object: {
            metadata: { name: copyPodName(uid), labels: { [labels.copyRole]: 'import' } },
            spec: { containers: [{ args: expect.arrayContaining(['--role=import', '--peer=10.1.2.3']) }] },
          },
        },
      ],
    });
    expect(next(at(exporting(serving)), unasked)).toMatchObject({ state: 'asking' });
  });

  test.each<[string, Change, object]>([
    ['fails', exporting(failed()), { reason: 'CopyIOError', failures: 1 }],
    ['ends', exporting({ phase: 'Succeeded' }), { reason: 'CopyPodDeleted', failures: 1 }],
    ['is deleted', exporting(serving, { going: true }), { reason: 'CopyPodDeleted', failures: 0 }],
    ['is deleted and has ended', exporting({ phase: 'Succeeded' }, { going: true }), { failures: 0 }],
    [
      'is drained',
      exporting({
        ...ended('Failed', {}),
        conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }],
      }),
      { reason: 'CopyEvicted', failures: 0 },
    ],
    ['is gone', () => undefined, { reason: 'CopyPodDeleted', failures: 0 }],
  ])('that %s ends the try, for its own reason, whatever becomes of the other', (_name, change, record) => {
    const unreachable = failed({ reason: 'CopyPeerUnreachable', message: 'no answer' });
    for (const status of [running, unreachable, refused('no')]) {
      const acting = next(at(importing(status), change));
      expect(acting).toMatchObject({ step: 'copy-exporting', effects: [{ kind: 'patch', uid }] });
      expect(acting).toHaveProperty('happening.what', 'copy-failed');
      expect(notedIn(acting)).toMatchObject({ attempts: 1, network: true, ...record });
    }
  });

  test('is of no matter any more when the copy is whole', () => {
    for (const change of [exporting(failed()), exporting(serving, { going: true }), () => undefined])
      expect(next(at(importing(succeeded()), change))).toMatchObject({
        step: 'copied',
        effects: [{ uid: 'temporary-uid' }],
      });
  });
});

describe('two pods', () => {
  test('copy, and say that it is over the network', () => {
    expect(next(at(exporting(serving), importing(running)))).toMatchObject({
      step: 'copied',
      wait: {
        phase: 'CloneInProgress',
        copying: 'plain',
        on: { uid: 'copy-uid' },
        message: 'two pods copy, over the network, PersistentVolumeClaim golden/source into tenant/target',
      },
    });
  });

  test('fail by what the one says that copies, while the other is well', () => {
    const acting = next(at(exporting(serving), importing(failed())));
    expect(acting).toMatchObject({ step: 'copied' });
    expect(notedIn(acting)).toMatchObject({ reason: 'CopyIOError', network: true });
  });

  const both = (status: PodStatus, more: More = {}) => all(exporting(serving, more), importing(status, more));

  test('of an earlier try go with its claim', () => {
    expect(next({ record: {}, change: all(begun, both(failed())) })).toMatchObject({
      step: 'outdated',
      effects: [{ uid: 'copy-uid' }, { uid: 'export-uid' }, { uid: 'temporary-uid' }],
    });
    const gone = all(
      withClaims(waiting(), blank({ metadata: { deletionTimestamp: created } })),
      both(running, { going: true }),
    );
    expect(next({ record: {}, change: gone })).toMatchObject({ state: 'waiting', step: 'outdated' });
  });

  test('into a claim that is another by now are worth nothing', () => {
    expect(next({ change: all(begun, both(succeeded(), { into: 'another-uid' })) })).toMatchObject({
      step: 'outdated',
      effects: [{ uid: 'copy-uid' }, { uid: 'export-uid' }],
    });
  });

  test('are given up for a pod that writes to the source', () => {
    expect(next({ change: all(begun, both(running), vm) })).toMatchObject({
      step: 'undisturbed',
      effects: [{ uid: 'copy-uid' }, { uid: 'export-uid' }, { uid: 'temporary-uid' }],
    });
    expect(next({ change: all(begun, exporting(serving), vm) })).toMatchObject({ step: 'undisturbed' });
  });

  test('go both when all is copied, before the volume does', () => {
    const done = (change: Change) => ({ change: all(withClaims(waiting(), whole), change) });
    expect(next(done(both(succeeded())))).toMatchObject({
      step: 'copy-ended',
      effects: [{ uid: 'copy-uid' }, { uid: 'export-uid' }],
    });
    expect(next(done(both(succeeded(), { going: true })))).toMatchObject({ state: 'waiting', step: 'copy-ended' });
    expect(next(done(exporting(serving, { going: true })))).toMatchObject({ state: 'waiting', step: 'copy-ended' });
  });

  test('go with their DataVolume, and before another strategy', () => {
    const { children } = look(at(both(running)));
    const gone = [{ uid: 'copy-uid' }, { uid: 'export-uid' }, { uid: 'temporary-uid' }];
    expect(cleanUp(children)).toMatchObject(gone);
    expect(next({ strategy: 'csi-clone', ...at(both(running)) })).toMatchObject({ step: 'fitting', effects: gone });
  });
});
