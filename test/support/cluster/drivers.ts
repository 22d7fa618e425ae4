import { type Removable, segmentsOf } from '../csi/features.ts';
import type { Manifest } from './manifest.ts';

/** A CSI driver to start, with all that makes it known to the cluster. */
export interface DriverOptions {
  /**
   * Short name, for instance `reflink`: the driver is then `reflink.csi.clonegate.test`, its StorageClasses are `reflink` (binds at
   * once) and `reflink-wffc` (waits for the first consumer), its VolumeSnapshotClass is `reflink`.
   */
  readonly name: string;
  /**
   * What it cannot do. Without CREATE_DELETE_SNAPSHOT there is no VolumeSnapshotClass and no csi-snapshotter, without EXPAND_VOLUME
   * no csi-resizer and no allowVolumeExpansion.
   */
  readonly without?: readonly Removable[];
  /** Whether its volumes say on which node they can be reached: on the first, unless `node` is given. */
  readonly topology?: boolean;
  /** The one node from which its volumes can be reached, and which they name, in a cluster of several. Without it, all have the driver. */
  readonly node?: string;
  /** Whether its StorageClass and VolumeSnapshotClass are the cluster's defaults. */
  readonly isDefault?: boolean;
}

/**
 * The drivers that a cluster has when nobody says otherwise: `reflink`, and with two nodes also `near` and `far`, whose volumes can be reached
 * from the first or the second one only.
 */
export function defaultDrivers(nodes: number): readonly DriverOptions[] {
  const one = { name: 'reflink', isDefault: true };
  return nodes < 2 ? [one] : [one, { name: 'near', node: nodeName }, { name: 'far', node: 'node-2' }];
}

const suffix = '.csi.clonegate.test';

export const csiNameOf = (driver: DriverOptions): string => `${driver.name}${suffix}`;
/** The inverse of {@link csiNameOf}; `undefined` when it is none of ours. */
export function shortNameOf(csiName: string): string | undefined {
  return csiName.endsWith(suffix) ? csiName.slice(0, -suffix.length) : undefined;
}

export const can = (driver: DriverOptions, capability: Removable): boolean =>
  driver.without?.includes(capability) !== true;

/**
 * The node that pods are scheduled to, the first one in a cluster of several. In tier `storage` it exists on paper only: no kubelet runs,
 * pods stay Pending once they are scheduled.
 */
export const nodeName = 'node-1';

/** Objects that an administrator would install along with a driver. */
export function driverManifests(driver: DriverOptions): readonly Manifest[] {
  const name = csiNameOf(driver);
  const csiDriver: Manifest = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name },
    spec: { attachRequired: false, podInfoOnMount: false, fsGroupPolicy: 'File', volumeLifecycleModes: ['Persistent'] },
  };
  return [
    csiDriver,
    storageClass(driver, driver.name, 'Immediate', driver.isDefault === true),
    storageClass(driver, `${driver.name}-wffc`, 'WaitForFirstConsumer', false),
    ...(can(driver, 'CREATE_DELETE_SNAPSHOT') ? [snapshotClass(driver)] : []),
  ];
}

function storageClass(driver: DriverOptions, name: string, volumeBindingMode: string, isDefault: boolean): Manifest {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name, annotations: { 'storageclass.kubernetes.io/is-default-class': String(isDefault) } },
    provisioner: csiNameOf(driver),
    volumeBindingMode,
    allowVolumeExpansion: can(driver, 'EXPAND_VOLUME'),
    reclaimPolicy: 'Delete',
    ...(driver.node === undefined ? {} : { allowedTopologies: [topologyTerm(driver, driver.node)] }),
  };
}

/** Without it, the scheduler may send the first consumer to a node without the driver, again and again: it does not ask who has which. */
function topologyTerm(driver: DriverOptions, node: string): object {
  const segments = segmentsOf({ name: csiNameOf(driver), node, without: new Set(), topology: true });
  return { matchLabelExpressions: Object.entries(segments).map(([key, value]) => ({ key, values: [value] })) };
}

function snapshotClass(driver: DriverOptions): Manifest {
  const annotations = { 'snapshot.storage.kubernetes.io/is-default-class': String(driver.isDefault === true) };
  return {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshotClass',
    metadata: { name: driver.name, annotations },
    driver: csiNameOf(driver),
    deletionPolicy: 'Delete',
  };
}

/** Whether the node has this driver, in a cluster of real nodes. */
export function isOn(node: string, driver: DriverOptions): boolean {
  return (driver.node ?? (driver.topology === true ? nodeName : node)) === node;
}

/** What a kubelet with these drivers would register. */
export function nodeManifests(drivers: readonly DriverOptions[]): readonly Manifest[] {
  const segments = drivers.map((driver) => (driver.topology === true ? topologyOf(driver) : {}));
  const labels = { 'kubernetes.io/hostname': nodeName, 'kubernetes.io/os': 'linux' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: nodeName, labels: Object.assign(labels, ...segments) as object },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSINode',
      metadata: { name: nodeName },
      spec: {
        drivers: drivers.map((driver, index) => ({
          name: csiNameOf(driver),
          nodeID: nodeName,
          topologyKeys: Object.keys(segments[index] ?? {}),
        })),
      },
    },
  ];
}

const topologyOf = (driver: DriverOptions): Readonly<Record<string, string>> =>
  segmentsOf({ name: csiNameOf(driver), node: nodeName, without: new Set(), topology: true });

/** Status of the node, applied by itself since it is a subresource: ready, and with room for everything. */
export const nodeStatus: Manifest = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: nodeName },
  status: {
    allocatable: { cpu: '64', memory: '256Gi', pods: '1000' },
    capacity: { cpu: '64', memory: '256Gi', pods: '1000' },
    conditions: [{ type: 'Ready', status: 'True', reason: 'Pretended', message: 'no kubelet runs here' }],
  },
};
