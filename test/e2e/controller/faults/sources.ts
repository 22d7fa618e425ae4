import type { CloneSource } from '../../../../shared/api/datavolume.ts';
import type { KubeObject, PersistentVolumeClaim, VolumeMode } from '../../../../shared/api/objects.ts';
import type { Shape } from './shapes.ts';

/** What clones are made of: claims and snapshots, and how they are told apart. */

export interface Source extends KubeObject {
  readonly kind: string;
}

/** What a source holds. */
export interface Content {
  readonly mode: VolumeMode;
  readonly bytes: Buffer;
  /** What the one file in it holds, where it is a file system. */
  readonly payload?: Buffer;
}

export const snapshots = '/apis/snapshot.storage.k8s.io/v1';

/** What a source of the shape holds. */
export const kindOf = ({ full }: Shape): string => (full ? 'files' : 'block');

export const keyOf = (source: CloneSource | Source): string => {
  const { namespace, name } = 'metadata' in source ? source.metadata : source;
  return `${source.kind} ${namespace}/${name}`;
};

export function pathOf({ kind, namespace, name }: CloneSource): string {
  return kind === 'VolumeSnapshot'
    ? `${snapshots}/namespaces/${namespace}/volumesnapshots/${name}`
    : `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`;
}

export function isReady(object: KubeObject): boolean {
  const { status } = object as PersistentVolumeClaim & { status?: { readyToUse?: boolean } };
  return status?.phase === 'Bound' || status?.readyToUse === true;
}

export function snapshotOf(name: string, claim: string): object {
  return {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshot',
    metadata: { name },
    spec: { volumeSnapshotClassName: 'reflink', source: { persistentVolumeClaimName: claim } },
  };
}
