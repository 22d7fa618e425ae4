import { expect, test } from 'vitest';
import {
  csiNameOf,
  type DriverOptions,
  driverManifests,
  nodeManifests,
  shortNameOf,
} from '../../../support/cluster/drivers.ts';
import { pathOfManifest } from '../../../support/cluster/manifest.ts';

const pathsOf = (driver: DriverOptions) => driverManifests(driver).map(pathOfManifest);

test('the short name and the CSI name lead to each other', () => {
  expect(shortNameOf(csiNameOf({ name: 'reflink' }))).toBe('reflink');
  expect(shortNameOf('ebs.csi.aws.com')).toBeUndefined();
});

test('a driver comes with its CSIDriver, two StorageClasses and a VolumeSnapshotClass', () => {
  expect(pathsOf({ name: 'reflink' })).toEqual([
    '/apis/storage.k8s.io/v1/csidrivers/reflink.csi.clonegate.test',
    '/apis/storage.k8s.io/v1/storageclasses/reflink',
    '/apis/storage.k8s.io/v1/storageclasses/reflink-wffc',
    '/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses/reflink',
  ]);
});

test('a driver without snapshots has no VolumeSnapshotClass', () => {
  const paths = pathsOf({ name: 'plain', without: ['CREATE_DELETE_SNAPSHOT'] });
  expect(paths.filter((path) => path.includes('snapshot'))).toEqual([]);
});

test('a driver that cannot expand does not let its classes promise it', () => {
  const classes = driverManifests({ name: 'stiff', without: ['EXPAND_VOLUME'] }).filter(
    (m) => m.kind === 'StorageClass',
  );
  expect(classes.map((manifest) => manifest['allowVolumeExpansion'])).toEqual([false, false]);
});

test('the node has the labels that a driver with topology asks for', () => {
  const [node, csiNode] = nodeManifests([{ name: 'local', topology: true }, { name: 'remote' }]);
  expect(node?.metadata['labels']).toMatchObject({ 'topology.local.csi.clonegate.test/node': 'node-1' });
  expect(csiNode?.['spec']).toMatchObject({
    drivers: [{ topologyKeys: ['topology.local.csi.clonegate.test/node'] }, { topologyKeys: [] }],
  });
});

test('a kind that has no path is refused', () => {
  expect(() => pathOfManifest({ apiVersion: 'v1', kind: 'Banana', metadata: { name: 'x' } })).toThrow('kind Banana');
});
