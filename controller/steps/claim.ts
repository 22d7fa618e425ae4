import { claimOf, contentTypeOf, type DataVolume } from '../../shared/api/datavolume.ts';
import { annotations, labels } from '../../shared/api/names.ts';
import type { OwnerReference, PersistentVolumeClaim, Stored, TypedLocalReference } from '../../shared/api/objects.ts';
import { formatQuantity } from '../../shared/api/quantity.ts';
import type { TargetClaim } from '../../shared/decision/target.ts';
import { apiVersionOf, claims, dataVolumes } from '../../shared/kube/resource.ts';
import { targetRef } from '../observe.ts';

/** What the target claim is made from. */
export interface ClaimPlan {
  readonly volume: Stored<DataVolume>;
  readonly target: TargetClaim;
  /** Bytes. */
  readonly size: bigint;
  readonly from: TypedLocalReference;
}

/**
 * The target claim. Of the user's own annotations none is copied: some of them steer drivers and schedulers, and the claim is made with
 * our rights, not with the user's. `volumeName` and `selector` would bind it to a volume that exists, which then would not be cloned.
 */
export function targetClaim({ volume, target, size, from }: ClaimPlan): PersistentVolumeClaim {
  const { volumeName: _name, selector: _selector, dataSource: _source, ...asked } = claimOf(volume) ?? {};
  return {
    apiVersion: apiVersionOf(claims),
    kind: claims.kind,
    metadata: {
      ...targetRef(volume),
      labels: { ...volume.metadata.labels, [labels.ownerUid]: volume.metadata.uid, [labels.managedBy]: 'clonegate' },
      annotations: {
        [annotations.createdForDataVolume]: volume.metadata.uid,
        [annotations.cloneOf]: 'true',
        [annotations.contentType]: contentTypeOf(volume),
      },
      ownerReferences: [ownedBy(volume)],
    },
    spec: {
      ...asked,
      ...(target.storageClassName === undefined ? {} : { storageClassName: target.storageClassName }),
      accessModes: target.accessModes,
      volumeMode: target.volumeMode,
      resources: { ...asked.resources, requests: { ...asked.resources?.requests, storage: formatQuantity(size) } },
      dataSourceRef: from,
    },
  };
}

/** The claim goes with the DataVolume, and a foreground deletion of the DataVolume waits for it. */
function ownedBy({ metadata: { name, uid } }: Stored<DataVolume>): OwnerReference {
  const { kind } = dataVolumes;
  return { apiVersion: apiVersionOf(dataVolumes), kind, name, uid, controller: true, blockOwnerDeletion: true };
}
