import { childLabels, copyPodName, temporaryName } from '../../../../controller/children.ts';
import { type CopyRecord, writeCopied, writeRecord } from '../../../../controller/copy/record.ts';
import { plan } from '../../../../controller/planner.ts';
import { annotations } from '../../../../shared/api/names.ts';
import type { PersistentVolumeClaim, Stored, VolumeSnapshotContent } from '../../../../shared/api/objects.ts';
import type { Pod, PodStatus } from '../../../../shared/api/pod.ts';
import {
  type ClaimOptions,
  claim,
  created,
  meta,
  now,
  observed,
  pod,
  uid,
  type VolumeOptions,
  valid,
  volume,
  type World,
  world,
} from '../world.ts';
import { allowed, temporary } from './elsewhere.ts';

/** A copy from namespace `golden` into `tenant`, or within `golden`, in whatever state a test puts it. */

export const golden = 'golden';
export type Change = (stores: World) => void;
export const all =
  (...changes: readonly Change[]): Change =>
  (stores) => {
    for (const change of changes) change(stores);
  };
export const withClaims =
  (...claims: readonly Stored<PersistentVolumeClaim>[]): Change =>
  (stores) => {
    for (const one of claims) stores.claims.upsert(one);
  };

export interface Situation extends VolumeOptions {
  readonly change?: Change;
  readonly from?: 'PersistentVolumeClaim' | 'VolumeSnapshot';
  readonly content?: VolumeSnapshotContent;
  readonly at?: number;
  readonly record?: Partial<CopyRecord>;
}

export const failure: CopyRecord = {
  attempts: 1,
  failures: 1,
  reason: 'CopyIOError',
  message: 'read failed',
  at: now,
  final: false,
};

export function look({
  change,
  from: kind = 'PersistentVolumeClaim',
  content,
  at = now,
  record,
  ...options
}: Situation = {}) {
  const stores = world();
  stores.claims.upsert(claim('source', { metadata: { namespace: golden, uid: 'golden-uid' } }));
  change?.(stores);
  const noted = record === undefined ? {} : { [annotations.copy]: writeRecord({ ...failure, ...record }) };
  const metadata = { ...options.metadata, annotations: { ...noted, ...options.metadata?.annotations } };
  const stamp = { ...valid, source: { kind, namespace: golden, name: 'source' } } as const;
  return observed(stores, volume({ strategy: 'copy', ...options, metadata }), stamp, { now: at, content });
}

export const next = (situation?: Situation, right: Parameters<typeof plan>[1] = allowed) =>
  plan(look(situation), right);

/** T. */
export const blank = (options: ClaimOptions = {}, attempt = 0): Stored<PersistentVolumeClaim> => {
  const { dataSourceRef: _, ...spec } = temporary(options).spec ?? {};
  const metadata = {
    ...options.metadata,
    annotations: { [annotations.copyAttempt]: String(attempt), ...options.metadata?.annotations },
  };
  return { ...temporary({ ...options, metadata }), spec };
};
export const whole = blank({
  metadata: { annotations: { [annotations.copied]: writeCopied({ bytes: 1n, seconds: 1 }) } },
});
export const pendingBlank = blank({ phase: 'Pending', capacity: null });

export function copying(
  status: PodStatus = {},
  more: { into?: string; going?: boolean; attempt?: number } = {},
): Change {
  const { into = 'temporary-uid', going = false, attempt } = more;
  const one: Stored<Pod> = {
    metadata: meta(copyPodName(uid), {
      namespace: golden,
      uid: 'copy-uid',
      labels: childLabels(uid),
      annotations: {
        [annotations.copiesInto]: into,
        ...(attempt === undefined ? {} : { [annotations.copyAttempt]: String(attempt) }),
      },
      ...(going ? { deletionTimestamp: created } : {}),
    }),
    spec: {
      volumes: [
        { name: 'source', persistentVolumeClaim: { claimName: 'source', readOnly: true } },
        { name: 'destination', persistentVolumeClaim: { claimName: temporaryName(uid) } },
      ],
      containers: [{ name: 'copy', volumeMounts: [{ name: 'source', readOnly: true }, { name: 'destination' }] }],
    },
    status,
  };
  return ({ pods }) => pods.upsert(one);
}

export const running: PodStatus = { phase: 'Running', containerStatuses: [{ name: 'copy', state: { running: {} } }] };
export const ended = (phase: string, result: object): PodStatus => ({
  phase,
  containerStatuses: [{ name: 'copy', state: { terminated: { message: JSON.stringify(result) } } }],
});
export const succeeded = (more: object = {}) =>
  ended('Succeeded', { outcome: 'succeeded', bytes: '42', seconds: 2, ...more });
export const failed = (more: object = {}) =>
  ended('Failed', { outcome: 'failed', reason: 'CopyIOError', message: 'read failed', retry: true, ...more });
export const vm: Change = ({ pods }) =>
  pods.upsert({ ...pod('vm'), metadata: { ...pod('vm').metadata, namespace: golden } });
