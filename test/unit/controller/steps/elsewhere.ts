import { childLabels, snapshotName, temporaryName } from '../../../../controller/children.ts';
import type { Observed } from '../../../../controller/observed.ts';
import { annotations, type Strategy } from '../../../../shared/api/names.ts';
import type {
  ObjectMeta,
  PersistentVolume,
  PersistentVolumeClaim,
  Stored,
  VolumeSnapshot,
} from '../../../../shared/api/objects.ts';
import type { Pod } from '../../../../shared/api/pod.ts';
import {
  type ClaimOptions,
  claim,
  meta,
  observed,
  storageClass,
  target,
  uid,
  type VolumeOptions,
  valid,
  volume,
  type World,
  world,
} from '../world.ts';

/** A clone from namespace `golden` into `tenant`, in whatever state a test puts it. */

const golden = 'golden';
export const allowed = { answer: 'allowed' } as const;

export interface Situation {
  readonly kind?: 'PersistentVolumeClaim' | 'VolumeSnapshot';
  readonly strategy?: Strategy;
  readonly volume?: VolumeOptions;
  readonly change?: (stores: World) => void;
}

export function elsewhere({
  kind = 'PersistentVolumeClaim',
  strategy = 'csi-clone',
  ...rest
}: Situation = {}): Observed {
  const stores = world();
  stores.claims.upsert(claim('source', { metadata: { namespace: golden, uid: 'golden-uid' } }));
  stores.volumeSnapshotClasses.upsert({
    metadata: { name: 'snaps', uid: 'snaps-uid', resourceVersion: '1' },
    driver: 'csi.example.com',
  });
  rest.change?.(stores);
  const stamp = { ...valid, source: { kind, namespace: golden, name: 'source' } } as const;
  return observed(stores, volume({ strategy, ...rest.volume }), stamp);
}

export const late = (stores: World): void =>
  stores.storageClasses.upsert(storageClass({ volumeBindingMode: 'WaitForFirstConsumer' }));

const fromVolume = { apiGroup: 'cdi.kubevirt.io', kind: 'DataVolume', name: 'target' };

/** The target claim before it has a volume. */
export function waiting(options: ClaimOptions = {}): Stored<PersistentVolumeClaim> {
  const { metadata, spec, ...rest } = options;
  return target({
    phase: 'Pending',
    capacity: null,
    spec: { dataSourceRef: fromVolume, ...spec },
    ...rest,
    ...(metadata === undefined ? {} : { metadata: { ...target().metadata, ...metadata } }),
  });
}

export function temporary(options: ClaimOptions = {}): Stored<PersistentVolumeClaim> {
  const { metadata, spec, ...rest } = options;
  return claim(temporaryName(uid), {
    metadata: { namespace: golden, uid: 'temporary-uid', labels: childLabels(uid), ...metadata },
    spec: { dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'source' }, ...spec },
    ...rest,
  });
}

/** The temporary claim's volume. */
export function filled(
  more: { metadata?: Partial<ObjectMeta>; spec?: PersistentVolume['spec'] } = {},
): Stored<PersistentVolume> {
  return {
    metadata: { name: `pv-of-${temporaryName(uid)}`, uid: 'pv-uid', resourceVersion: '7', ...more.metadata },
    spec: {
      claimRef: { namespace: golden, name: temporaryName(uid), uid: 'temporary-uid' },
      capacity: { storage: '1Gi' },
      persistentVolumeReclaimPolicy: 'Delete',
      ...more.spec,
    },
  };
}

/** The same after it was handed over. */
export function moving(
  more: { metadata?: Partial<ObjectMeta>; spec?: PersistentVolume['spec'] } = {},
): Stored<PersistentVolume> {
  return filled({
    metadata: { labels: childLabels(uid), annotations: { [annotations.reclaimPolicy]: 'Delete' }, ...more.metadata },
    spec: {
      claimRef: { namespace: 'tenant', name: 'target', uid: 'target-uid' },
      persistentVolumeReclaimPolicy: 'Retain',
      ...more.spec,
    },
  });
}

export function taken(
  status: VolumeSnapshot['status'] = {},
  metadata: Partial<ObjectMeta> = {},
): Stored<VolumeSnapshot> {
  return {
    metadata: meta(snapshotName(uid), { namespace: golden, labels: childLabels(uid), ...metadata }),
    spec: { source: { persistentVolumeClaimName: 'source' } },
    status,
  };
}

export function given(
  status: VolumeSnapshot['status'] = {},
  metadata: Partial<ObjectMeta> = {},
): Stored<VolumeSnapshot> {
  return {
    metadata: meta('source', { namespace: golden, uid: 'given-uid', ...metadata }),
    spec: { volumeSnapshotClassName: 'snaps' },
    status,
  };
}

export function helper(namespace: string, claimName: string, metadata: Partial<ObjectMeta> = {}): Stored<Pod> {
  return {
    metadata: meta(`clonegate-pod-${uid}`, { namespace, labels: childLabels(uid), ...metadata }),
    spec: {
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
      containers: [{ name: 'pause', volumeMounts: [{ name: 'data' }] }],
    },
  };
}
