import { describe, expect, test } from 'vitest';
import { type Kind, kinds, nameOfKind, Simulation } from '../../../support/simulation/index.ts';

/** Everything that a controller writes for one clone, in order, when the storage takes its time: what each strategy is, in short. */

const way = (kind: Partial<Kind>): Kind => ({
  strategy: 'snapshot',
  from: 'PersistentVolumeClaim',
  elsewhere: false,
  larger: false,
  mode: 'Filesystem',
  late: false,
  apart: false,
  ...kind,
});

async function writesOf(kind: Kind): Promise<readonly string[]> {
  const simulation = await Simulation.of(kind);
  simulation.slow = true;
  await simulation.settle();
  return simulation.writes;
}

const hold = 'patch datavolumes hold';
const target = 'create persistentvolumeclaims tenant/target';
const end = ['patch datavolumes Succeeded', 'patch datavolumes release'];
const handOver = [
  'patch persistentvolumes for tenant/target, Retain',
  'patch datavolumes RebindInProgress',
  'patch persistentvolumes Delete',
  'delete persistentvolumeclaims golden/clonegate',
];
const grow = (namespace: string): readonly string[] => [
  'patch persistentvolumeclaims 2Gi',
  'patch datavolumes PrepClaimInProgress',
  `create pods ${namespace}/clonegate-pod`,
  `delete pods ${namespace}/clonegate-pod`,
];

const table: readonly (readonly [Kind, readonly string[]])[] = [
  [way({ strategy: 'csi-clone' }), [hold, target, 'patch datavolumes CSICloneInProgress', ...end]],
  [
    way({ strategy: 'csi-clone', larger: true, late: true }),
    [
      hold,
      target,
      'patch datavolumes WaitForFirstConsumer',
      'patch datavolumes CSICloneInProgress',
      ...grow('tenant'),
      ...end,
    ],
  ],
  [
    way({ strategy: 'csi-clone', elsewhere: true }),
    [
      hold,
      target,
      'create persistentvolumeclaims golden/clonegate',
      'patch datavolumes CSICloneInProgress',
      ...handOver,
      ...end,
    ],
  ],
  [
    way({}),
    [
      hold,
      'create volumesnapshots tenant/clonegate-snap',
      'patch datavolumes SnapshotForSmartCloneInProgress',
      target,
      'patch datavolumes CloneFromSnapshotSourceInProgress',
      'delete volumesnapshots tenant/clonegate-snap',
      ...end,
    ],
  ],
  [
    way({ elsewhere: true, larger: true, late: true }),
    [
      hold,
      target,
      'patch datavolumes PendingPopulation',
      'create volumesnapshots golden/clonegate-snap',
      'patch datavolumes SnapshotForSmartCloneInProgress',
      'create persistentvolumeclaims golden/clonegate',
      'patch datavolumes CloneFromSnapshotSourceInProgress',
      'delete volumesnapshots golden/clonegate-snap',
      ...grow('golden'),
      ...handOver,
      ...end,
    ],
  ],
  [
    way({ elsewhere: true, larger: true, mode: 'Block' }),
    [
      hold,
      target,
      'create volumesnapshots golden/clonegate-snap',
      'patch datavolumes SnapshotForSmartCloneInProgress',
      'create persistentvolumeclaims golden/clonegate',
      'patch datavolumes CloneFromSnapshotSourceInProgress',
      'delete volumesnapshots golden/clonegate-snap',
      'patch persistentvolumeclaims 2Gi',
      'patch datavolumes PrepClaimInProgress',
      ...handOver,
      ...end,
    ],
  ],
  [way({ from: 'VolumeSnapshot' }), [hold, target, 'patch datavolumes CloneFromSnapshotSourceInProgress', ...end]],
  [
    way({ from: 'VolumeSnapshot', elsewhere: true }),
    [
      hold,
      target,
      'create persistentvolumeclaims golden/clonegate',
      'patch datavolumes CloneFromSnapshotSourceInProgress',
      ...handOver,
      ...end,
    ],
  ],
  [
    way({ strategy: 'copy' }),
    [
      hold,
      target,
      'create persistentvolumeclaims tenant/clonegate',
      'patch datavolumes CloneScheduled',
      'create pods tenant/clonegate-copy',
      'patch datavolumes CloneScheduled',
      'patch datavolumes CloneInProgress',
      'patch persistentvolumeclaims ',
      'delete pods tenant/clonegate-copy',
      ...handOver.map((write) => write.replace('golden', 'tenant')),
      ...end,
    ],
  ],
  [
    way({ strategy: 'copy', elsewhere: true, apart: true }),
    [
      hold,
      target,
      'create persistentvolumeclaims golden/clonegate',
      'patch datavolumes CloneScheduled',
      'create pods golden/clonegate-copy',
      'patch datavolumes CloneScheduled',
      'create secrets golden/clonegate-keys',
      'create networkpolicies golden/clonegate-export',
      'create networkpolicies golden/clonegate-import',
      'create pods golden/clonegate-export',
      'delete pods golden/clonegate-copy',
      'patch datavolumes CloneScheduled',
      'create pods golden/clonegate-copy',
      'patch datavolumes CloneScheduled',
      'patch datavolumes CloneInProgress',
      'patch persistentvolumeclaims ',
      'delete pods golden/clonegate-copy',
      'delete pods golden/clonegate-export',
      ...handOver,
      ...end,
    ],
  ],
  [
    way({ strategy: 'copy', from: 'VolumeSnapshot', elsewhere: true, larger: true, late: true }),
    [
      hold,
      target,
      'patch datavolumes PendingPopulation',
      'create persistentvolumeclaims golden/clonegate-source',
      'patch datavolumes CloneFromSnapshotSourceInProgress',
      'create persistentvolumeclaims golden/clonegate',
      'patch datavolumes CloneScheduled',
      'create pods golden/clonegate-copy',
      'patch datavolumes CloneScheduled',
      'patch datavolumes CloneInProgress',
      'patch persistentvolumeclaims ',
      'delete pods golden/clonegate-copy',
      ...handOver,
      'delete persistentvolumeclaims golden/clonegate-source',
      ...end,
    ],
  ],
];

describe('the writes of a clone', () => {
  test.each(table.map(([kind, writes]) => ({ kind, writes, name: nameOfKind(kind) })))(
    '$name',
    async ({ kind, writes }) => {
      expect(await writesOf(kind)).toEqual(writes);
    },
  );

  const cheap = kinds.filter(({ strategy, larger, late, mode }) => {
    return strategy === 'csi-clone' && !larger && !late && mode === 'Filesystem';
  });
  test.each(cheap.map((kind) => ({ kind, name: nameOfKind(kind), most: kind.elsewhere ? 12 : 5 })))(
    '$name: are $most at most',
    async ({ kind, most }) => {
      expect((await writesOf(kind)).length).toBeLessThanOrEqual(most);
    },
  );
});
