import type { Verification } from '../../../controller/authorize.ts';
import { createPlaces } from '../../../controller/copy/places.ts';
import { observe, type Present } from '../../../controller/observe.ts';
import type { Observed } from '../../../controller/observed.ts';
import { createStores } from '../../../controller/stores.ts';
import type { CloneSource, DataVolume, DataVolumeStatus } from '../../../shared/api/datavolume.ts';
import { annotations, type Strategy } from '../../../shared/api/names.ts';
import type {
  ClaimSpec,
  ObjectMeta,
  OwnerReference,
  PersistentVolumeClaim,
  StorageClass,
  Stored,
} from '../../../shared/api/objects.ts';
import type { Pod } from '../../../shared/api/pod.ts';
import { encodeRecord } from '../../../shared/decision/record.ts';
import { copyPolicy, perNode } from '../../support/build/copies.ts';
import { FakeClock } from '../../support/clock.ts';

/** A small cluster in the controller's stores: one class, one source that can be cloned, one DataVolume that asks for it. */

export type World = ReturnType<typeof createStores>;

export const namespace = 'tenant';
export const uid = 'dv-uid';
export const created = '2026-01-02T03:04:05Z';
export const source: CloneSource & { readonly uid: string } = {
  kind: 'PersistentVolumeClaim',
  namespace,
  name: 'source',
  uid: 'source-uid',
};

export const valid: Extract<Verification, { valid: true }> = {
  valid: true,
  source,
  user: { username: 'jane', groups: ['dev'], extra: {} },
};

export function meta(name: string, more: Partial<ObjectMeta> = {}): Stored<DataVolume>['metadata'] {
  return { namespace, name, uid: `${name}-uid`, resourceVersion: '10', creationTimestamp: created, ...more };
}

export interface VolumeOptions {
  readonly metadata?: Partial<ObjectMeta>;
  readonly claim?: ClaimSpec;
  readonly status?: DataVolumeStatus;
  /** `null`: put off at admission. */
  readonly strategy?: Strategy | null;
  readonly spec?: DataVolume['spec'];
}

export function volume(options: VolumeOptions = {}): Stored<DataVolume> {
  const { metadata, claim, status, strategy = 'csi-clone', spec } = options;
  return {
    metadata: meta('target', {
      uid,
      ...metadata,
      annotations: { ...(strategy === null ? {} : decided(strategy)), ...metadata?.annotations },
    }),
    spec: spec ?? {
      source: { pvc: { namespace, name: 'source' } },
      pvc: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...claim },
    },
    ...(status === undefined ? {} : { status }),
  };
}

export function decided(strategy: Strategy): Readonly<Record<string, string>> {
  const candidates = [{ strategy, reason: 'Preferred', message: 'asked for' }] as const;
  const record = encodeRecord({ outcome: 'chosen', strategy, candidates }, { id: 'decision-1' });
  return { [annotations.cloneType]: strategy, [annotations.decision]: record };
}

export interface ClaimOptions {
  readonly metadata?: Partial<ObjectMeta>;
  readonly spec?: ClaimSpec;
  /** `''`: the status says no phase. */
  readonly phase?: string;
  readonly capacity?: string | null;
}

export function claim(name: string, options: ClaimOptions = {}): Stored<PersistentVolumeClaim> {
  const { metadata, spec, phase = 'Bound', capacity = '1Gi' } = options;
  return {
    metadata: meta(name, metadata),
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'fast',
      volumeMode: 'Filesystem',
      resources: { requests: { storage: '1Gi' } },
      ...(phase === 'Bound' || phase === 'Lost' ? { volumeName: `pv-of-${name}` } : {}),
      ...spec,
    },
    status: {
      ...(phase === '' ? {} : { phase }),
      ...(capacity === null ? {} : { capacity: { storage: capacity } }),
    },
  };
}

export const owner: OwnerReference = {
  apiVersion: 'cdi.kubevirt.io/v1beta1',
  kind: 'DataVolume',
  name: 'target',
  uid,
  controller: true,
};

/** The target claim as we make it. */
export function target(options: ClaimOptions = {}): Stored<PersistentVolumeClaim> {
  const { metadata, spec, ...rest } = options;
  return claim('target', {
    metadata: { ownerReferences: [owner], ...metadata },
    spec: { dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'source' }, ...spec },
    ...rest,
  });
}

export function pod(name: string, claimName = 'source', readOnly = false, phase = 'Running'): Stored<Pod> {
  return {
    metadata: meta(name),
    spec: {
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
      containers: [{ name: 'main', volumeMounts: [{ name: 'data', readOnly }] }],
    },
    status: { phase },
  };
}

export function storageClass(more: Partial<Omit<StorageClass, 'metadata'>> = {}): Stored<StorageClass> {
  return {
    metadata: {
      name: 'fast',
      uid: 'fast-uid',
      resourceVersion: '1',
      annotations: { [annotations.defaultClass]: 'true' },
    },
    provisioner: 'csi.example.com',
    ...more,
  };
}

/** Stores with a driver, its class, a profile that asks for csi-clone, and a bound source of 1 GiB. */
export function world(): World {
  const stores = createStores(() => true);
  const cluster = (name: string) => ({ metadata: { name, uid: `${name}-uid`, resourceVersion: '1' } });
  stores.storageClasses.upsert(storageClass());
  stores.csiDrivers.upsert(cluster('csi.example.com'));
  stores.storageProfiles.upsert({ ...cluster('fast'), spec: { cloneStrategy: 'csi-clone' } });
  stores.claims.upsert(claim('source'));
  return stores;
}

export const policy = { sameStorageClass: false, helperImage: 'pause:1', copy: copyPolicy } as const;
/** Milliseconds since the epoch. */
export const now = Date.parse(created) + 60_000;

export function observed(
  stores: World = world(),
  dataVolume: Stored<DataVolume> = volume(),
  stamp: Verification = valid,
  present: Partial<Present> = {},
): Observed {
  const places = createPlaces(stores, perNode, new FakeClock()).of(dataVolume.metadata.uid);
  return observe(stores, dataVolume, stamp, policy, { now, places, ...present });
}
