import { annotations } from '../../shared/api/names.ts';
import { keyOf, type ObjectMeta, type VolumeSnapshot } from '../../shared/api/objects.ts';
import { apiVersionOf, volumeSnapshots } from '../../shared/kube/resource.ts';
import { hasFinalizer, snapshotName } from '../children.ts';
import { fromSnapshot, fromSource, type Observed, ownClaim, wantedOf } from '../observed.ts';
import type { Company } from '../sharing.ts';
import { capacityOf, restoreSizeOf } from '../sizes.ts';
import { cleared } from './cleanup.ts';
import { fitting } from './fit.ts';
import { growth } from './grow.ts';
import { about, childMeta, create, hold, isGoing, naming, remove, until } from './parts.ts';
import { sourceLost, sourceReady } from './source.ts';
import { gate, type Step, type Wait, waitFor } from './step.ts';
import { bound, claimed, consumed, type Making, type Progress } from './target.ts';
import { transfer } from './transfer.ts';

/** snapshot: a snapshot of the source is restored, and then not needed any more; or the source is a snapshot, and stays. */

/** Where clones of the same source come together; one of them takes the snapshot for all that are there by then. */
export const taken: Step = {
  name: 'snapshot-taken',
  guarded: true,
  done: ({ children: { snapshot } }) => snapshot !== undefined && !isGoing(snapshot),
  waits: (o) => {
    const { volume, choice, company } = o;
    const { snapshot } = o.children;
    if (snapshot !== undefined) {
      const message = `${naming(volumeSnapshots, snapshot)} is being deleted; it is taken again when it is gone`;
      return waitFor('SnapshotForSmartCloneInProgress', 'ErrResourceMarkedForDeletion', message);
    }
    if (choice.by !== 'record' || choice.snapshotClass === undefined)
      return waitFor(
        'CloneScheduled',
        'NoVolumeSnapshotClass',
        'there is no VolumeSnapshotClass to take a snapshot with',
      );
    if (!hasFinalizer(volume)) return undefined;
    if (company.inTheMaking !== undefined) return beingTaken(o, company.inTheMaking);
    return company.gathers > 0 ? gathering(o) : undefined;
  },
  effects: (o) => {
    const { volume, source, choice, company } = o;
    if (source === undefined || choice.by !== 'record' || choice.snapshotClass === undefined) return [];
    // Only those that have begun are named: they will clean up.
    if (!company.alone && !hasFinalizer(volume)) return hold(volume);
    const { namespace, name } = source.ref;
    const object: VolumeSnapshot = {
      apiVersion: apiVersionOf(volumeSnapshots),
      kind: volumeSnapshots.kind,
      metadata: snapshotMeta(o, namespace),
      spec: { volumeSnapshotClassName: choice.snapshotClass, source: { persistentVolumeClaimName: name } },
    };
    return [...hold(volume), create(volume, volumeSnapshots, object)];
  },
};

/** What is shared is owned by no DataVolume: it must not go with the one that took it. */
function snapshotMeta({ volume, company }: Observed, namespace: string): ObjectMeta {
  const { uid } = volume.metadata;
  const { ownerReferences, ...meta } = childMeta(volume, namespace, snapshotName(uid));
  if (company.others.length === 0) return { ...meta, ...(ownerReferences === undefined ? {} : { ownerReferences }) };
  return { ...meta, annotations: { [annotations.snapshotFor]: [uid, ...company.others].join(' ') } };
}

const phase = 'SnapshotForSmartCloneInProgress';

function takesOf({ source }: Observed): string {
  return `the CSI driver takes a snapshot of ${keyOf(source?.ref ?? { name: '' })}`;
}

/** Too late to share that one, and in time for the next. Said in the same words, for it is as good as the same. */
function beingTaken(o: Observed, inTheMaking: NonNullable<Company['inTheMaking']>): Wait {
  // No watch tells when the one who asks for it fails to.
  const more = inTheMaking === 'asked for' ? { again: soon } : { on: about(volumeSnapshots, inTheMaking) };
  return waitFor(phase, phase, takesOf(o), { type: 'Normal', ...more });
}

/** Who is not alone gives the others a moment to come. */
function gathering(o: Observed): Wait {
  return waitFor(phase, phase, takesOf(o), { type: 'Normal', again: o.company.gathers });
}

/** Milliseconds. */
const soon = 1000;

const ready = gate('snapshot-ready', (o) => {
  const { snapshot } = o.children;
  if (snapshot === undefined || snapshot.status?.readyToUse === true) return undefined;
  const on = about(volumeSnapshots, snapshot);
  const lost = sourceLost(o);
  if (lost !== undefined) return waitFor(phase, lost.reason, lost.message, { on });
  const failure = snapshot.status?.error?.message;
  const message = `${takesOf(o)}${failure === undefined ? '' : ` and says: ${failure}`}`;
  return waitFor(phase, phase, message, { type: failure === undefined ? 'Normal' : 'Warning', on, atWork: true });
});

/** As soon as the volumes that are restored from it are there: a snapshot that stays costs room, and slows some storage down. */
const dropped: Step = {
  name: 'snapshot-dropped',
  done: ({ children: { disposable } }) => disposable.every(isGoing),
  waits: () => undefined,
  effects: ({ children: { disposable } }) => disposable.flatMap((snapshot) => remove(volumeSnapshots, snapshot)),
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
