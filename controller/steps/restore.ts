import { annotations } from '../../shared/api/names.ts';
import { keyOf, type PersistentVolumeClaim } from '../../shared/api/objects.ts';
import { formatQuantity } from '../../shared/api/quantity.ts';
import { apiVersionOf, claims } from '../../shared/kube/resource.ts';
import { restoredName } from '../children.ts';
import { fromSource, type Observed, type Restore, wantedOf } from '../observed.ts';
import { restoreSizeOf } from '../sizes.ts';
import { about, childMeta, create, hold, isGoing, naming } from './parts.ts';
import { sourceLost } from './source.ts';
import { gate, type Step, type Wait, waitFor } from './step.ts';
import { sizeUnknown } from './target.ts';
import { isBound } from './temporary.ts';

/** A snapshot whose bytes are to be copied is restored first, by the driver that it is of, into a claim that is read and then goes. */

const phase = 'CloneFromSnapshotSourceInProgress';

const made: Step = {
  name: 'restored-made',
  guarded: true,
  done: ({ children: { restored } }) => restored !== undefined && !isGoing(restored),
  waits: (o) => {
    const { restored } = o.children;
    if (restored !== undefined) {
      const message = `${naming(claims, restored)} is being deleted; it is made again when it is gone`;
      return waitFor(phase, 'ErrResourceMarkedForDeletion', message, { on: about(claims, restored) });
    }
    return unrestorable(o) ?? sizeUnknown(sizeOf(o));
  },
  effects: (o) => {
    const { volume, copying } = o;
    const object = copying.restore === undefined ? undefined : restoredClaim(o, copying.restore);
    return object === undefined ? [] : [...hold(volume), create(volume, claims, object)];
  },
};

function unrestorable({ source, copying: { restore } }: Observed): Wait | undefined {
  const name = keyOf(source?.ref ?? { name: '' });
  if (restore === undefined) {
    const message = `of which driver VolumeSnapshot ${name} is stands in its VolumeSnapshotContent, which is not there yet or not to be read (right: get volumesnapshotcontents)`;
    return waitFor('CloneScheduled', 'SnapshotNotReady', message, { type: 'Normal', again: 5000 });
  }
  if (restore.storageClassName !== undefined) return undefined;
  const message = `VolumeSnapshot ${name} is to be restored for its bytes to be copied, and no StorageClass is of its driver ${restore.driver}`;
  return waitFor('CloneScheduled', 'StorageClassMissing', message, { again: 60_000 });
}

/** A snapshot that does not tell its size is restored in the size that is asked for. */
function sizeOf(o: Observed): bigint | undefined {
  return restoreSizeOf(o.source?.snapshot) ?? wantedOf(o);
}

function restoredClaim(o: Observed, restore: Restore): PersistentVolumeClaim | undefined {
  const { volume, source, choice } = o;
  const { storageClassName, volumeMode } = restore;
  const size = sizeOf(o);
  if (source === undefined || size === undefined || choice.by !== 'record' || storageClassName === undefined)
    return undefined;
  const noted = source.snapshot?.metadata.annotations?.[annotations.sourceVolumeMode];
  return {
    apiVersion: apiVersionOf(claims),
    kind: claims.kind,
    metadata: childMeta(volume, source.ref.namespace, restoredName(volume.metadata.uid)),
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName,
      // The provisioner refuses another mode than the snapshot's; who does not know it can only suppose that the target has the same.
      volumeMode: volumeMode ?? (noted === 'Block' || noted === 'Filesystem' ? noted : choice.target.volumeMode),
      resources: { requests: { storage: formatQuantity(size) } },
      dataSourceRef: fromSource(source),
    },
  };
}

/** A class that waits for the first consumer gets it in the copy pod. */
const bound: Step = gate('restored-bound', (o) => {
  const { restored } = o.children;
  if (restored === undefined || isBound(restored) || o.copying.restoredLate) return undefined;
  const on = about(claims, restored);
  if (restored.status?.phase === 'Lost')
    return waitFor('Failed', 'ErrClaimLost', `${naming(claims, restored)} lost its volume`, { on });
  const gone = sourceLost(o);
  if (gone !== undefined) return waitFor(phase, gone.reason, gone.message, { on });
  const message = `the CSI driver restores ${keyOf(o.source?.ref ?? { name: '' })} into ${keyOf(restored.metadata)}`;
  return waitFor(phase, phase, message, { type: 'Normal', on, atWork: true });
});

export const restoring: readonly Step[] = [made, bound];
