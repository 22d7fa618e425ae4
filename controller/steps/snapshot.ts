import { keyOf, type VolumeSnapshot } from '../../shared/api/objects.ts';
import { apiVersionOf, volumeSnapshots } from '../../shared/kube/resource.ts';
import { snapshotName } from '../children.ts';
import { capacityOf, fromSnapshot, fromSource, type Observed, ownClaim, restoreSizeOf, wantedOf } from '../observe.ts';
import { cleared } from './cleanup.ts';
import { fitting } from './fit.ts';
import { growth } from './grow.ts';
import { about, childMeta, create, hold, isGoing, naming, remove, until } from './parts.ts';
import { sourceReady } from './source.ts';
import { gate, type Step, waitFor } from './step.ts';
import { bound, claimed, consumed, type Making, type Progress } from './target.ts';
import { transfer } from './transfer.ts';

/** snapshot: a snapshot of the source is restored, and then not needed any more; or the source is a snapshot, and stays. */

const taken: Step = {
  name: 'snapshot-taken',
  guarded: true,
  done: ({ children: { snapshot } }) => snapshot !== undefined && !isGoing(snapshot),
  waits: ({ children: { snapshot }, choice }) => {
    if (snapshot !== undefined) {
      const message = `${naming(volumeSnapshots, snapshot)} is being deleted; it is taken again when it is gone`;
      return waitFor('SnapshotForSmartCloneInProgress', 'ErrResourceMarkedForDeletion', message);
    }
    if (choice.by === 'record' && choice.snapshotClass !== undefined) return undefined;
    return waitFor(
      'CloneScheduled',
      'NoVolumeSnapshotClass',
      'there is no VolumeSnapshotClass to take a snapshot with',
    );
  },
  effects: (o) => {
    const { volume, source, choice } = o;
    if (source === undefined || choice.by !== 'record' || choice.snapshotClass === undefined) return [];
    const { namespace, name } = source.ref;
    const object: VolumeSnapshot = {
      apiVersion: apiVersionOf(volumeSnapshots),
      kind: volumeSnapshots.kind,
      metadata: childMeta(volume, namespace, snapshotName(volume.metadata.uid)),
      spec: { volumeSnapshotClassName: choice.snapshotClass, source: { persistentVolumeClaimName: name } },
    };
    return [...hold(volume), create(volume, volumeSnapshots, object)];
  },
};

const ready = gate('snapshot-ready', ({ children: { snapshot }, source }) => {
  if (snapshot === undefined || snapshot.status?.readyToUse === true) return undefined;
  const phase = 'SnapshotForSmartCloneInProgress';
  const from = keyOf(source?.ref ?? { name: '' });
  const failure = snapshot.status?.error?.message;
  const message = `the CSI driver takes a snapshot of ${from}${failure === undefined ? '' : ` and says: ${failure}`}`;
  const on = about(volumeSnapshots, snapshot);
  return waitFor(phase, phase, message, { type: failure === undefined ? 'Normal' : 'Warning', on, atWork: true });
});

/** As soon as the volume that was restored from it is there: a snapshot that stays costs room, and slows some storage down. */
const dropped: Step = {
  name: 'snapshot-dropped',
  done: ({ children: { snapshot } }) => remove(volumeSnapshots, snapshot).length === 0,
  waits: () => undefined,
  effects: ({ children: { snapshot } }) => remove(volumeSnapshots, snapshot),
};

/** A snapshot that does not tell its size is restored in the size that is asked for. */
const ofTaken: Making = {
  from: fromSnapshot,
  size: (o) => restoreSizeOf(o.children.snapshot) ?? capacityOf(o.source?.claim) ?? wantedOf(o),
};
const ofSource: Making = {
  from: ({ source }) => source && fromSource(source),
  size: (o) => restoreSizeOf(o.source?.snapshot) ?? wantedOf(o),
};

const progress: Progress = {
  phase: 'CloneFromSnapshotSourceInProgress',
  message: ({ source }: Observed, claim) => {
    const { kind, ...ref } = source?.ref ?? { kind: 'PersistentVolumeClaim', name: '' };
    const what = kind === 'VolumeSnapshot' ? keyOf(ref) : `a snapshot of ${keyOf(ref)}`;
    return `the CSI driver restores ${what} into ${claim}`;
  },
};

const restored = (o: Observed): boolean => ownClaim(o)?.spec?.volumeName !== undefined;

export const snapshotOfClaim: readonly Step[] = [
  fitting({ target: ofTaken, snapshot: true }),
  ...until(restored, [sourceReady, taken, ready]),
  claimed(ofTaken),
  consumed('WaitForFirstConsumer'),
  bound(progress),
  dropped,
  ...growth(ownClaim),
  cleared,
];

export const snapshotOfClaimElsewhere: readonly Step[] = transfer({
  temporary: ofTaken,
  snapshot: true,
  progress,
  before: [taken, ready],
  after: [dropped],
});

export const snapshotGiven: readonly Step[] = [
  fitting({ target: ofSource }),
  sourceReady,
  claimed(ofSource),
  consumed('WaitForFirstConsumer'),
  bound(progress),
  ...growth(ownClaim),
  cleared,
];

export const snapshotGivenElsewhere: readonly Step[] = transfer({ temporary: ofSource, progress, before: [] });
