import { annotations } from '../../shared/api/names.ts';
import type { Pod, Stored } from '../../shared/api/objects.ts';
import type { Clock } from '../../shared/process/clock.ts';
import { copyPodName, ownerUidOf } from '../children.ts';
import type { Effect } from '../effects.ts';
import { patience } from '../expectations.ts';
import { copyPodsIn, type Stores } from '../stores.ts';
import { unschedulable } from './verdict.ts';

/**
 * How many pods that copy a node may run. The scheduler counts no such thing, so a pod is made only when every other one has its node (or
 * has none to have), and may not go to those that have their number by then. An export pod does not count, and goes where it may: else two
 * copies in opposite directions could wait for each other for ever.
 */
export interface Places {
  /** Nodes that run as many as they may, by name. */
  readonly full: readonly string[];
  /** A pod of another copy is about to get a node, and nobody knows which. */
  readonly moving: boolean;
}

export const anywhere: Places = { full: [], moving: false };

/** It remembers what was begun and the stores do not show yet; a restart forgets that, and by then they do. */
export interface PlaceKeeper {
  /** @param uid of the DataVolume that asks, whose own pods do not stand in its way. */
  of(uid: string): Places;
  /** To be told before anything is awaited, and again when nothing came of it. */
  begins(uid: string, effects: readonly Effect[]): void;
  fails(uid: string): void;
}

/** @param limit of one node; 0: any number. */
export function createPlaces(stores: Pick<Stores, 'pods'>, limit: number, clock: Pick<Clock, 'elapsed'>): PlaceKeeper {
  /** By uid, until when the pod is waited for, by the steady clock. */
  const begun = new Map<string, number>();
  return {
    of: (uid) => {
      if (limit === 0) return anywhere;
      const pods = copyPodsIn(stores);
      const shown = new Set(pods.map(ownerUidOf));
      for (const [owner, until] of begun) if (shown.has(owner) || until <= clock.elapsed()) begun.delete(owner);
      const active = pods.filter(isActive);
      const isOthers = active.some((pod) => ownerUidOf(pod) !== uid && isMoving(pod));
      return { full: fullOnes(active, limit), moving: isOthers || [...begun.keys()].some((owner) => owner !== uid) };
    },
    begins: (uid, effects) => {
      const name = copyPodName(uid);
      if (effects.some((effect) => effect.kind === 'create' && effect.object.metadata.name === name))
        begun.set(uid, clock.elapsed() + patience);
    },
    fails: (uid) => void begun.delete(uid),
  };
}

function fullOnes(active: readonly Stored<Pod>[], limit: number): readonly string[] {
  const counts = new Map<string, number>();
  for (const { spec } of active) {
    if (spec?.nodeName !== undefined) counts.set(spec.nodeName, (counts.get(spec.nodeName) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count >= limit)
    .map(([node]) => node)
    .toSorted();
}

function isActive({ status }: Stored<Pod>): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

/** One that no node takes is as good as nowhere. Should a node come to be fit for it that is full by then, that node has one too many. */
function isMoving({ spec, status = {}, metadata }: Stored<Pod>): boolean {
  return (
    spec?.nodeName === undefined && metadata.deletionTimestamp === undefined && unschedulable(status) === undefined
  );
}

/** Nodes that a pod may not go to because they were full when it was made. */
export function avoidedBy({ metadata }: Pod): readonly string[] {
  return (metadata.annotations?.[annotations.avoidsNodes] ?? '').split(' ').filter((node) => node !== '');
}
