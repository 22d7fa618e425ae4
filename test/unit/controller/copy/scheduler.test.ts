import { describe, expect, test } from 'vitest';
import { refusalOf } from '../../../../controller/copy/scheduler.ts';

/** Messages as schedulers write them, of versions 1.30 to 1.36. */

const preempted = ' preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.';

describe('no node reaches both volumes', () => {
  test.each([
    // A scheduler of 1.36, on the cluster of test/e2e/node/two.test.ts.
    "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
    "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
    `0/3 nodes are available: 3 node(s) had volume node affinity conflict.${preempted}`,
    "0/10 nodes are available: 3 node(s) had volume node affinity conflict, 7 node(s) didn't match Pod's node affinity/selector. preemption: 0/10 nodes are available: 10 Preemption is not helpful for scheduling..",
    `0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) had volume node affinity conflict.${preempted}`,
    "0/4 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity, 3 node(s) had no available volume zone.",
    // The volume that is yet to be made cannot be made where the other one is; the second node gives both reasons.
    "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 2 node(s) didn't find available persistent volumes to bind.",
    "0/3 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity], 2 node(s) had volume node affinity conflict.",
    "0/3 nodes are available: 1 node(s) had volume node affinity conflict, 2 node(s) didn't satisfy plugin(s) [VolumeBinding].",
    // Two local volumes: the scheduler looks at no node at all.
    `0/3 nodes are available: node(s) didn't satisfy plugin VolumeBinding.${preempted}`,
    `0/3 nodes are available: node(s) didn't satisfy plugin(s) [NodeAffinity VolumeBinding] simultaneously.${preempted}`,
  ])('%s', (message) => {
    expect(refusalOf(message)).toEqual({ volumes: true, lasting: true });
  });
});

describe('volumes keep it from some nodes, and what keeps it from others may pass', () => {
  test.each([
    '1 node(s) were unschedulable',
    '1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }',
    '1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }',
    '1 node(s) had untolerated taint {maintenance: true}',
    '1 node(s) had untolerated taint {example.com/node-role.kubernetes.io: x}',
    '1 node(s) had untolerated taint {ToBeDeletedByClusterAutoscaler: 1690000000}',
    // 1.36 does not say which.
    '1 node(s) had untolerated taint(s)',
    '1 Insufficient cpu',
    '1 Insufficient cpu, 1 Insufficient memory',
    '1 Too many pods',
    '1 node(s) exceed max volume count',
    '1 node(s) did not have enough free storage',
    '1 csi.example.com CSI driver is not installed on the node',
    "1 node(s) didn't have free ports for the requested pod ports",
    "1 node(s) didn't satisfy existing pods anti-affinity rules",
    "1 node(s) didn't match pod topology spread constraints (missing required label)",
    '1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
    '1 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
    '1 node(s) had unknown conditions',
    "1 node(s) didn't satisfy plugin(s) [DynamicResources]",
    '1 something that is new, 4 reasons, of which nobody knows',
  ])('%s', (reason) => {
    const message = `0/3 nodes are available: ${reason}, 2 node(s) had volume node affinity conflict.${preempted}`;
    expect(refusalOf(message)).toEqual({ volumes: true, lasting: false });
  });
});

describe('volumes are not what keeps it from any node', () => {
  test.each<[string, boolean]>([
    [`0/3 nodes are available: 3 Insufficient memory.${preempted}`, false],
    [`0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.${preempted}`, true],
    // No volume there that could be bound, wherever it goes: two pods would not have one, either.
    ["0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind.", true],
    ["0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity VolumeBinding].", true],
  ])('%s', (message, lasting) => {
    expect(refusalOf(message)).toEqual({ volumes: false, lasting });
  });
});

describe('what is not understood proves nothing', () => {
  test.each([
    '',
    'no nodes available to schedule pods',
    '0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.',
    '0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found',
    '0/3 nodes are available: persistentvolumeclaim "clonegate-1" not found.',
    'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded',
    // Not all nodes are accounted for.
    '0/3 nodes are available: 2 node(s) had volume node affinity conflict.',
    '1/3 nodes are available: 3 node(s) had volume node affinity conflict.',
    'it was once 0/3 nodes are available: 3 node(s) had volume node affinity conflict.',
    '0/3 nodes are available: -3 node(s) had volume node affinity conflict.',
  ])('%s', (message) => {
    expect(refusalOf(message)).toMatchObject({ lasting: false });
    expect(refusalOf(message)).toMatchObject({ volumes: false });
  });

  test('nor does what preemption says', () => {
    const victims = 'preemption: 0/3 nodes are available: 3 node(s) had volume node affinity conflict.';
    expect(refusalOf(`0/3 nodes are available: 3 Insufficient cpu. ${victims}`)).toEqual({
      volumes: false,
      lasting: false,
    });
  });
});
