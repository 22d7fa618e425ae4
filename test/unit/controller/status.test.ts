import { describe, expect, test } from 'vitest';
import { newsOf } from '../../../controller/announce.ts';
import { unasked } from '../../../controller/authorize.ts';
import type { Observed } from '../../../controller/observed.ts';
import { plan } from '../../../controller/planner.ts';
import { sameStatus, statusOf, type Telling } from '../../../controller/status.ts';
import type { DataVolumeStatus } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { claim, observed, owner, pod, target, volume, type World, world } from './world.ts';

const now = new Date('2026-05-06T07:08:09.123Z');
const later = new Date('2026-05-06T08:00:00Z');

/** The status and the event that follow from a world. */
function tell(o: Observed, at = now) {
  const next = plan(o, unasked);
  if (next.state !== 'waiting' && next.state !== 'done') throw new Error(`nothing to tell: ${next.state}`);
  return { status: statusOf(o, next, at), news: newsOf(o, next), next };
}

function conditionsOf({ conditions = [] }: DataVolumeStatus): readonly unknown[] {
  return conditions.map(({ type, status, reason, message }) => [type, status, reason, message]);
}

function withTarget(phase: string, capacity: string | null = '1Gi'): World {
  const stores = world();
  stores.claims.upsert(target({ phase, capacity }));
  return stores;
}

describe('the status', () => {
  test('of a clone whose source is missing names no claim and gives the reason everywhere', () => {
    const stores = world();
    stores.claims.delete(claim('source'));
    const message = 'PersistentVolumeClaim tenant/source does not exist';

    const { status, news } = tell(observed(stores));

    expect(status).toMatchObject({ phase: 'Pending', progress: 'N/A' });
    expect(status).not.toHaveProperty('claimName');
    expect(conditionsOf(status)).toEqual([
      ['Bound', 'False', 'CloneWithoutSource', message],
      ['Running', 'False', 'CloneWithoutSource', message],
      ['Ready', 'False', 'CloneWithoutSource', message],
    ]);
    expect(news).toEqual({ type: 'Warning', reason: 'CloneWithoutSource', note: message });
  });

  test('of a clone under way says that it runs and is not bound', () => {
    const message = 'the CSI driver clones tenant/source into tenant/target';

    const { status, news } = tell(observed(withTarget('Pending', null)));

    expect(status).toMatchObject({ phase: 'CSICloneInProgress', progress: 'N/A', claimName: 'target' });
    expect(conditionsOf(status)).toEqual([
      ['Bound', 'False', 'Pending', 'PersistentVolumeClaim tenant/target is not bound yet'],
      ['Running', 'True', 'CSICloneInProgress', message],
      ['Ready', 'False', 'CSICloneInProgress', message],
    ]);
    expect(news).toEqual({ type: 'Normal', reason: 'CSICloneInProgress', note: message });
  });

  test('of a complete clone is Succeeded, bound and ready', () => {
    const { status, news } = tell(observed(withTarget('Bound')));

    expect(status).toMatchObject({ phase: 'Succeeded', progress: '100.0%', claimName: 'target' });
    expect(conditionsOf(status)).toEqual([
      ['Bound', 'True', 'Bound', 'PersistentVolumeClaim tenant/target is bound'],
      ['Running', 'False', 'Completed', 'the clone is complete'],
      ['Ready', 'True', 'Completed', 'the clone is complete'],
    ]);
    expect(news).toEqual({
      type: 'Normal',
      reason: 'CloneSucceeded',
      note: 'cloned from tenant/source into tenant/target',
    });
  });

  test('of a lost claim is Failed', () => {
    const message = 'PersistentVolumeClaim tenant/target lost its volume';

    const { status, news } = tell(observed(withTarget('Lost'), volume({ status: { phase: 'Succeeded' } })));

    expect(status.phase).toBe('Failed');
    expect(conditionsOf(status)).toEqual([
      ['Bound', 'False', 'ClaimLost', message],
      ['Running', 'False', 'ErrClaimLost', message],
      ['Ready', 'False', 'ErrClaimLost', message],
    ]);
    expect(news).toEqual({ type: 'Warning', reason: 'ErrClaimLost', note: message });
  });

  test('of a claim in an unknown phase does not claim to know whether it is ready', () => {
    const { status } = tell(observed(withTarget('Melted')));

    expect(status.phase).toBe('Unknown');
    expect(status.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('Unknown');
  });

  test('of a claim that was taken over as it is tells that nothing was cloned, and is no news', () => {
    const stores = world();
    stores.claims.upsert(claim('target', { metadata: { ownerReferences: [owner] }, phase: 'Pending', capacity: null }));
    const adopting = volume({ metadata: { annotations: { [annotations.allowClaimAdoption]: 'true' } } });

    const { status, news } = tell(observed(stores, adopting));

    expect(status).toMatchObject({ phase: 'Succeeded', progress: 'N/A', claimName: 'target' });
    expect(conditionsOf(status)).toEqual([
      ['Bound', 'False', 'Pending', 'PersistentVolumeClaim tenant/target is not bound yet'],
      ['Running', 'False', 'Completed', 'the claim was there, with its content'],
      ['Ready', 'True', 'Completed', 'the claim was there, with its content'],
    ]);
    expect(news).toBeUndefined();
  });

  test('does not name a claim that belongs to somebody else', () => {
    const stores = world();
    stores.claims.upsert(claim('target'));

    const { status } = tell(observed(stores));

    expect(status).not.toHaveProperty('claimName');
    expect(conditionsOf(status)[0]).toEqual([
      'Bound',
      'False',
      'ErrResourceExists',
      'PersistentVolumeClaim tenant/target exists and does not belong to this DataVolume',
    ]);
  });
});

describe('the times of conditions', () => {
  const first = tell(observed(withTarget('Pending', null))).status;

  test('are whole seconds, as the API writes them', () => {
    expect(first.conditions?.[0]).toMatchObject({
      lastTransitionTime: '2026-05-06T07:08:09Z',
      lastHeartbeatTime: '2026-05-06T07:08:09Z',
    });
  });

  test('stay when nothing has changed, and so nothing is written', () => {
    const again = tell(observed(withTarget('Pending', null), volume({ status: first })), later);

    expect(again.status).toEqual(first);
    expect(sameStatus(first, again.status)).toBe(true);
    expect(again.news).toBeUndefined();
  });

  test('move with status and reason of the condition', () => {
    const { status } = tell(observed(withTarget('Bound'), volume({ status: first })), later);
    const [bound, running, ready] = status.conditions ?? [];

    expect(bound?.lastTransitionTime).toBe('2026-05-06T08:00:00Z');
    expect(running?.lastTransitionTime).toBe('2026-05-06T08:00:00Z');
    expect(ready?.lastTransitionTime).toBe('2026-05-06T08:00:00Z');
  });

  test('do not move with the words alone, so that the wait has lasted since its reason', () => {
    const inUse = (...names: readonly string[]): World => {
      const stores = world();
      for (const name of names) stores.pods.upsert(pod(name));
      return stores;
    };
    const before = tell(observed(inUse('a'))).status;
    const running = tell(observed(inUse('a', 'b'), volume({ status: before })), later).status.conditions?.[1];

    expect(running).toMatchObject({
      reason: 'CloneSourceInUse',
      lastTransitionTime: '2026-05-06T07:08:09Z',
      lastHeartbeatTime: '2026-05-06T08:00:00Z',
    });
  });
});

describe('two statuses are not the same', () => {
  const { status } = tell(observed(withTarget('Bound')));
  const [bound, ...rest] = status.conditions ?? [];
  if (bound === undefined) throw new Error('a condition was expected');

  test.each([
    ['when there is none', undefined],
    ['when the phase differs', { ...status, phase: 'Failed' }],
    ['when the progress differs', { ...status, progress: 'N/A' }],
    ['when the claim differs', { ...status, claimName: 'other' }],
    ['when a condition is missing', { ...status, conditions: rest }],
    ['when a condition says something else', { ...status, conditions: [{ ...bound, message: 'x' }, ...rest] }],
  ])('%s', (_name, other) => {
    expect(sameStatus(other, status)).toBe(false);
  });
});

describe('an event', () => {
  test('goes with a new reason, not with a new wording', () => {
    const stores = world();
    stores.pods.upsert(pod('a'));
    const { status } = tell(observed(stores));
    stores.pods.upsert(pod('b'));

    const { news, status: next } = tell(observed(stores, volume({ status })));

    expect(news).toBeUndefined();
    expect(sameStatus(status, next)).toBe(false);
  });

  test('goes with success, whatever the status said before', () => {
    const before: DataVolumeStatus = {
      phase: 'CSICloneInProgress',
      conditions: [{ type: 'Running', status: 'False', reason: 'Completed' }],
    };
    const next: Telling = { state: 'done', effects: [] };

    expect(newsOf(observed(withTarget('Bound'), volume({ status: before })), next)?.reason).toBe('CloneSucceeded');
  });
});
