import { annotations, labels } from '../../shared/api/names.ts';
import { keyOf, type PersistentVolume, type PersistentVolumeClaim, type Stored } from '../../shared/api/objects.ts';
import { apiVersionOf, claims, persistentVolumes } from '../../shared/kube/resource.ts';
import type { Effect } from '../effects.ts';
import { fromVolume, type Observed, ownClaim, wantedOf } from '../observed.ts';
import { holdsBytes } from '../origin.ts';
import { capacityOf } from '../sizes.ts';
import { cleared } from './cleanup.ts';
import { type Fit, fitting } from './fit.ts';
import { growing, growth, isLargeEnough } from './grow.ts';
import { about, naming, patchObject, until } from './parts.ts';
import { sourceReady } from './source.ts';
import { gate, type Step, type Wait, waitFor } from './step.ts';
import { claimed, claimLost, consumed, type Making, type Progress, targetName } from './target.ts';
import { forsaken, placed, released, temporaryBound, temporaryMade, unused } from './temporary.ts';

/**
 * Into another namespace: a temporary claim T beside the source is filled, its volume V becomes the volume of the target claim C.
 *
 * | state | C | T | V: claimRef, policy, marks | next write | if we never come back |
 * |---|---|---|---|---|---|
 * | 0 | - | - | - | C, with the DataVolume as its data source | - |
 * | 1 | Pending | - | - | T (or the snapshot it is restored from) | C waits; nothing else will ever fill it |
 * | 2 | Pending | Pending, then Bound | T, its class's, - | T's size; a pod that mounts T | T and V are T's namespace's like any other |
 * | 3 | Pending | Bound, as large as C | T, its class's, - | V: claimRef C and Retain and marks, in one write | as 2 |
 * | 4 | Pending, then Bound | Bound, then Lost | C, Retain, marked | - (the binder's) | C has its volume; V outlives C |
 * | 5 | Bound | Lost | C, Retain, marked | V: its policy back, no marks | as 4 |
 * | 6 | Bound | Lost | C, its class's, - | T's deletion | an empty claim is left, which the sweeper takes |
 * | 7 | Bound | - | C, its class's, - | status, finalizer | - |
 *
 * V is never without a claimRef with a uid, so nobody else's claim can bind it, by whatever volumeName; and the one write that turns it
 * from T to C takes away at the same moment what could delete it: from then on V is kept whatever happens to either claim. Up to then the
 * worst that can happen is that T is deleted and its bytes with it, and those are still in the source. C deleted in 4 comes back with
 * another uid, and V is turned to that one (`moved` is not done). T deleted at any time after 3 changes nothing. C is there from the
 * beginning because the scheduler chooses the node for its first consumer by it, because its quota is claimed before any work is done,
 * and because only a claim that exists has a uid. Before it has a volume no provisioner touches it (see `fromVolume`).
 *
 * Whoever may make pods in T's namespace could mount T and still have V when C's owner writes to it. So V is not turned while a pod has T
 * (before 3), and the clone is not complete while one has it that was quicker than our look (in 7).
 */
export function transfer(fill: Fill): readonly Step[] {
  const { temporary, progress, first = [], before, after = [], snapshot, copies, consumer } = fill;
  const target: Making = {
    from: fromVolume,
    size: (o) => wantedOf(o) ?? temporary.size(o) ?? capacityOf(o.source?.claim),
  };
  const makes = { ...(snapshot === undefined ? {} : { snapshot }), ...(copies === undefined ? {} : { copies }) };
  return [
    ...until(isUnderWay, first),
    fitting({ target, temporary, ...makes }),
    ...until(isUnderWay, [sourceReady]),
    claimed(target),
    ...until(isUnderWay, [
      ...until(consumer?.unneeded ?? never, [consumed('PendingPopulation')]),
      ...until(isFilled, before),
      temporaryMade(temporary, progress),
      ...until(consumer?.itself ?? never, [placed, temporaryBound(progress)]),
      ...after,
      ...growth(({ children }) => children.temporary),
      released,
      unused,
    ]),
    moved,
    rebound,
    cleared,
    forsaken,
  ];
}

/** How the temporary claim comes to hold the source's bytes. */
interface Fill extends Pick<Fit, 'snapshot' | 'copies'> {
  readonly temporary: Making;
  readonly progress: Progress;
  /** Even before it is seen whether what is there fits. */
  readonly first?: readonly Step[];
  /** Before there is a temporary claim that holds them. */
  readonly before: readonly Step[];
  /** When the temporary claim has a volume. */
  readonly after?: readonly Step[];
  /** Where the class waits for a first consumer, and what fills the claim is one. */
  readonly consumer?: {
    /** Nobody need want the target claim first. */
    readonly unneeded: (o: Observed) => boolean;
    /** The temporary claim has its volume only when it is there. */
    readonly itself: (o: Observed) => boolean;
  };
}

/** From state 4 on. */
function isUnderWay(o: Observed): boolean {
  return o.children.moving !== undefined || ownClaim(o)?.spec?.volumeName !== undefined;
}

function isFilled({ children: { temporary } }: Observed): boolean {
  return temporary !== undefined && holdsBytes(temporary);
}

const never = (): boolean => false;

const moved: Step = {
  name: 'moved',
  done: (o) => {
    const target = ownClaim(o);
    const { moving, temporary } = o.children;
    if (target === undefined) return false;
    if (moving !== undefined) return moving.spec?.claimRef?.uid === target.metadata.uid;
    const { volumeName } = target.spec ?? {};
    return volumeName !== undefined && (temporary === undefined || temporary.spec?.volumeName === volumeName);
  },
  waits: (o) => {
    const { temporary, moving } = o.children;
    if (moving !== undefined || temporary === undefined) return undefined;
    if (ownClaim(o)?.spec?.volumeName !== undefined)
      return rebinding('ErrResourceExists', `${targetName(o)} was bound to another volume than its clone`);
    return volumeWaits(o.filled, temporary);
  },
  effects: (o): readonly Effect[] => {
    const volume = o.children.moving ?? o.filled;
    const target = ownClaim(o);
    return volume === undefined || target === undefined ? [] : [turnTo(target, volume, o)];
  },
};

function volumeWaits(
  volume: Stored<PersistentVolume> | undefined,
  temporary: Stored<PersistentVolumeClaim>,
): Wait | undefined {
  const name = `PersistentVolume ${temporary.spec?.volumeName ?? ''}`;
  // It comes by a watch of its own, sometimes later than the claim that is bound to it.
  if (volume === undefined) return rebinding('RebindInProgress', `${name} is not known yet`);
  if (volume.spec?.claimRef?.uid === temporary.metadata.uid) return undefined;
  return rebinding('ErrResourceExists', `${name} is bound to another claim than ${naming(claims, temporary)}`);
}

/** The one write that matters. A volume that has our marks already only gets the claim. */
function turnTo(
  target: Stored<PersistentVolumeClaim>,
  volume: Stored<PersistentVolume>,
  { volume: { metadata }, children }: Observed,
): Effect {
  const { namespace = '', name, uid } = target.metadata;
  // The version is the old claim's; the binder does not need one.
  const claimRef = { apiVersion: apiVersionOf(claims), kind: claims.kind, namespace, name, uid, resourceVersion: null };
  if (children.moving !== undefined) return patchObject(persistentVolumes, volume, { spec: { claimRef } });
  return patchObject(persistentVolumes, volume, {
    metadata: {
      labels: { [labels.ownerUid]: metadata.uid },
      annotations: { [annotations.reclaimPolicy]: volume.spec?.persistentVolumeReclaimPolicy ?? 'Retain' },
    },
    spec: { claimRef, persistentVolumeReclaimPolicy: 'Retain' },
  });
}

const rebound = gate('rebound', (o) => {
  const target = ownClaim(o);
  if (target === undefined) return undefined;
  const lost = claimLost(o, target);
  if (lost !== undefined) return lost;
  const on = about(claims, target);
  if (target.status?.phase === 'Bound') return isLargeEnough(target) ? undefined : growing(target);
  const { moving } = o.children;
  const what = moving === undefined ? 'its volume' : `PersistentVolume ${keyOf(moving.metadata)}`;
  return { ...rebinding('RebindInProgress', `${targetName(o)} is being bound to ${what}`), on };
});

function rebinding(reason: 'RebindInProgress' | 'ErrResourceExists', message: string): Wait {
  const more = reason === 'RebindInProgress' ? ({ type: 'Normal', brief: true } as const) : {};
  return waitFor('RebindInProgress', reason, message, more);
}
