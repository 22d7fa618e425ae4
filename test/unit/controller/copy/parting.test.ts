import { expect, test } from 'vitest';
import { partingOf } from '../../../../controller/copy/parting.ts';
import { annotations } from '../../../../shared/api/names.ts';
import type { Pod, PodCondition } from '../../../../shared/api/pod.ts';
import { copyPolicy } from '../../../support/build/copies.ts';

const since = Date.parse('2026-01-02T03:04:05Z');
const now = since + 100_000;
const proof = "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.";
const cordoned =
  "0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) didn't match PersistentVolume's node affinity.";

function pod(message: string, more: Partial<PodCondition> = {}): Pod {
  const lastTransitionTime = new Date(since).toISOString();
  const told = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime, message, ...more };
  return { metadata: {}, status: { phase: 'Pending', conditions: [told] } };
}

const present = { now, before: false };

test.each([
  ['is proven', pod(proof), {}, `no node reaches both volumes (${proof})`],
  [
    'has been so for as long as it may',
    pod(cordoned),
    { now: since + 300_000 },
    `no node has taken both volumes for 300 s (${cordoned})`,
  ],
  ['was so for an earlier try', pod(cordoned), { before: true }, `no node takes both volumes, as before (${cordoned})`],
])('two pods are due when it %s', (_name, one, more, why) => {
  expect(partingOf(one, copyPolicy, { ...present, ...more })).toEqual({ state: 'due', why });
});

test('what may pass is waited for, and the time is told', () => {
  expect(partingOf(pod(cordoned), copyPolicy, present)).toEqual({ state: 'later', in: 200_000 });
  expect(partingOf(pod(cordoned), { network: true, networkAfter: 0 }, present)).toMatchObject({ state: 'due' });
});

test('since when it has been so has to be known', () => {
  const unknown = pod(cordoned, { lastTransitionTime: 'soon' });
  expect(partingOf(unknown, copyPolicy, { ...present, now: now + 1e12 })).toEqual({ state: 'later', in: 300_000 });
});

test('the administrator may not want it', () => {
  for (const message of [proof, cordoned])
    expect(partingOf(pod(message), { network: false, networkAfter: 0 }, present)).toEqual({ state: 'off' });
});

test.each([
  ['is not the volumes', pod('0/2 nodes are available: 2 Insufficient cpu.')],
  ['is not understood', pod('no')],
  ['is over', pod(proof, { status: 'True' })],
  ['is somebody else who holds it back', pod(proof, { reason: 'SchedulingGated' })],
  ['is not known', { metadata: {} }],
])('two pods are of no use when what keeps one from its node %s', (_name, one) => {
  expect(partingOf(one, copyPolicy, { now: now + 1e12, before: true })).toBeUndefined();
});

test('that nodes which have enough to do do not take it is no proof, however long', () => {
  const avoiding = (message: string): Pod => {
    const one = pod(message);
    return { ...one, metadata: { annotations: { [annotations.avoidsNodes]: 'node-1' } } };
  };
  const kept =
    "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match PersistentVolume's node affinity.";
  expect(partingOf(pod(kept), copyPolicy, present)).toMatchObject({ state: 'due' });
  expect(partingOf(avoiding(kept), copyPolicy, { now: now + 1e12, before: true })).toBeUndefined();
  // None of them is among those that would have taken it.
  expect(partingOf(avoiding(proof), copyPolicy, present)).toMatchObject({ state: 'due' });
});
