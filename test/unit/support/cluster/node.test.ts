import { expect, test } from 'vitest';
import { type DriverOptions, driverManifests, isOn } from '../../../support/cluster/drivers.ts';
import { folderObstacle } from '../../../support/cluster/node/requirements.ts';

test('a temp folder that the node would not see is refused with what to do', () => {
  expect(folderObstacle('/var/tmp')).toMatch(/\/var of its own.*set TMPDIR/);
  expect(folderObstacle('/run')).toMatch(/\/run of its own.*set TMPDIR/);
  expect(folderObstacle('/')).toBeUndefined();
});

test('volumes of a driver that one node has are asked for there only', () => {
  const classes = (driver: DriverOptions) =>
    driverManifests(driver).flatMap(({ kind, allowedTopologies }) =>
      kind === 'StorageClass' ? [allowedTopologies] : [],
    );
  const far = { matchLabelExpressions: [{ key: 'topology.far.csi.clonegate.test/node', values: ['node-2'] }] };
  expect(classes({ name: 'far', node: 'node-2' })).toEqual([[far], [far]]);
  expect(classes({ name: 'reflink' })).toEqual([undefined, undefined]);
});

test.each([
  [{ name: 'everywhere' }, [true, true]],
  [{ name: 'first', topology: true }, [true, false]],
  [{ name: 'second', node: 'node-2' }, [false, true]],
])('%j is on the nodes that have it', (driver, expected) => {
  expect(['node-1', 'node-2'].map((node) => isOn(node, driver))).toEqual(expected);
});
