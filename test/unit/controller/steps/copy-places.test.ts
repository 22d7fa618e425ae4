import { describe, expect, test } from 'vitest';
import { childLabels, copyPodName } from '../../../../controller/children.ts';
import { annotations, finalizer } from '../../../../shared/api/names.ts';
import type { PodStatus } from '../../../../shared/api/pod.ts';
import { created, meta, uid, volume } from '../world.ts';
import { all, blank, type Change, golden, next, withClaims } from './copies.ts';
import { waiting } from './elsewhere.ts';

/** A copy among others, of which a node runs five at most. */

const begun = withClaims(waiting(), blank());
const at = (...changes: readonly Change[]) => ({ change: all(begun, ...changes) });

interface Wish {
  readonly node?: string;
  readonly avoids?: string;
  readonly going?: boolean;
}

const pod =
  (owner: string, status: PodStatus, { node, avoids, going = false }: Wish = {}): Change =>
  ({ pods, volumes }) => {
    const metadata = { name: owner, uid: owner, finalizers: [finalizer] };
    volumes.upsert(
      volume({ strategy: 'copy', metadata, spec: { source: { pvc: { namespace: golden, name: 'any' } } } }),
    );
    pods.upsert({
      metadata: meta(copyPodName(owner), {
        namespace: golden,
        labels: childLabels(owner),
        annotations: {
          [annotations.copiesInto]: 'temporary-uid',
          ...(avoids === undefined ? {} : { [annotations.avoidsNodes]: avoids }),
        },
        ...(going ? { deletionTimestamp: created } : {}),
      }),
      spec: {
        ...(node === undefined ? {} : { nodeName: node }),
        volumes: [{ name: 'destination', persistentVolumeClaim: { claimName: owner } }],
        containers: [{ name: 'copy' }],
      },
      status,
    });
  };
const others = (count: number, node: string): Change =>
  all(...Array.from({ length: count }, (_, nth) => pod(`${node}-${nth}`, { phase: 'Running' }, { node })));
const kept = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";
const refused: PodStatus = {
  phase: 'Pending',
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: kept }],
};

describe('a copy pod', () => {
  test('is kept from nodes that have enough to do, and from no other', () => {
    expect(next(at(others(5, 'node-1'), others(4, 'node-2')))).toMatchObject({
      step: 'copy-started',
      effects: [{ object: { metadata: { annotations: { [annotations.avoidsNodes]: 'node-1' } } } }],
    });
    expect(next(at(others(4, 'node-2')))).not.toHaveProperty('effects.0.object.spec.affinity');
  });

  test('is made when every other one has its node', () => {
    expect(next(at(pod('other', {})))).toMatchObject({
      step: 'copy-started',
      wait: { reason: 'CopyPodPending', brief: true, again: 2000 },
    });
    expect(next(at(pod('other', refused)))).toMatchObject({ state: 'acting', step: 'copy-started' });
  });

  test('that no node takes says which were left out', () => {
    expect(next(at(others(5, 'node-1'), pod(uid, refused, { avoids: 'node-1' })))).toMatchObject({
      step: 'copied',
      wait: {
        reason: 'CopyPodUnschedulable',
        again: 2000,
        message: `no node can run the copy pod: ${kept}; left out are nodes that run as many copies as they may (--copies-per-node): node-1`,
      },
    });
  });

  test('is made again when one of those has a place, and that is no failure', () => {
    expect(next(at(others(4, 'node-1'), pod(uid, refused, { avoids: 'node-1' })))).toMatchObject({
      step: 'copy-placed',
      effects: [{ kind: 'delete' }],
    });
    const going = pod(uid, refused, { avoids: 'node-1', going: true });
    for (const count of [4, 5])
      expect(next(at(others(count, 'node-1'), going))).toMatchObject({ state: 'waiting', step: 'copy-placed' });
  });

  test('that runs is left where it is, whatever has a place by now', () => {
    const running = pod(
      uid,
      { phase: 'Running', containerStatuses: [{ name: 'copy', state: { running: {} } }] },
      { avoids: 'node-1', node: 'node-2' },
    );
    expect(next(at(running))).toMatchObject({ state: 'waiting', step: 'copied' });
  });
});
