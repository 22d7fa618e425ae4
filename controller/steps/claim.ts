import { claimOf, contentTypeOf, type DataVolume } from '../../shared/api/datavolume.ts';
import { annotations } from '../../shared/api/names.ts';
import type { ClaimSpec, PersistentVolumeClaim, Stored } from '../../shared/api/objects.ts';
import { formatQuantity } from '../../shared/api/quantity.ts';
import type { TargetClaim } from '../../shared/decision/target.ts';
import { apiVersionOf, claims } from '../../shared/kube/resource.ts';
import { childLabels, temporaryName } from '../children.ts';
import { targetRef } from '../observed.ts';
import type { Origin } from '../origin.ts';
import { childMeta, ownedBy } from './parts.ts';

/** What a claim is made from. */
export interface ClaimPlan {
  readonly volume: Stored<DataVolume>;
  readonly target: TargetClaim;
  /** Bytes. */
  readonly size: bigint;
  readonly from: Origin;
}

/**
 * The target claim. Of the user's own annotations none is copied: some of them steer drivers and schedulers, and the claim is made with
 * our rights, not with the user's.
 */
export function targetClaim(plan: ClaimPlan): PersistentVolumeClaim {
  const { volume } = plan;
  const { uid } = volume.metadata;
  return {
    apiVersion: apiVersionOf(claims),
    kind: claims.kind,
    metadata: {
      ...targetRef(volume),
      labels: { ...volume.metadata.labels, ...childLabels(uid) },
      annotations: {
        [annotations.createdForDataVolume]: uid,
        [annotations.cloneOf]: 'true',
        [annotations.contentType]: contentTypeOf(volume),
      },
      ownerReferences: [ownedBy(volume)],
    },
    spec: claimSpec(plan),
  };
}

/**
 * The claim that is filled beside the source: like the target claim as far as the storage is concerned.
 * @param marks annotations, such as the node where its first consumer will run.
 */
export function temporaryClaim(
  plan: ClaimPlan,
  namespace: string,
  marks: Readonly<Record<string, string>>,
): PersistentVolumeClaim {
  const { volume } = plan;
  return {
    apiVersion: apiVersionOf(claims),
    kind: claims.kind,
    metadata: {
      ...childMeta(volume, namespace, temporaryName(volume.metadata.uid)),
      ...(Object.keys(marks).length === 0 ? {} : { annotations: marks }),
    },
    spec: claimSpec(plan),
  };
}

/** `volumeName` and `selector` would bind it to a volume that exists, which then would not be cloned. */
function claimSpec({ volume, target, size, from }: ClaimPlan): ClaimSpec {
  const { volumeName: _name, selector: _selector, dataSource: _1, dataSourceRef: _2, ...asked } = claimOf(volume) ?? {};
  return {
    ...asked,
    ...(target.storageClassName === undefined ? {} : { storageClassName: target.storageClassName }),
    accessModes: target.accessModes,
    volumeMode: target.volumeMode,
    resources: { ...asked.resources, requests: { ...asked.resources?.requests, storage: formatQuantity(size) } },
    ...(from === 'nothing' ? {} : { dataSourceRef: from }),
  };
}
