import { annotations } from '../../shared/api/names.ts';
import type { Stored } from '../../shared/api/objects.ts';
import type { Pod } from '../../shared/api/pod.ts';
import type { Clock } from '../../shared/process/clock.ts';
import { namespacesOf } from '../belongings.ts';
import { copyPodName, hasFinalizer, ownerUidOf } from '../children.ts';
import type { Effect } from '../effects.ts';
import { patience } from '../expectations.ts';
import { copyPodsIn, type Stores, volumeOf } from '../stores.ts';
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
export function createPlaces(
  stores: Pick<Stores, 'pods' | 'volumes'>,
  limit: number,
  clock: Pick<Clock, 'elapsed'>,
): PlaceKeeper {
  /** By uid, until when the pod is waited for, by the steady clock. */
  const begun = new Map<string, number>();
  const waits = createWaits(clock);
  return {
    of: (uid) => {
      if (limit === 0) return anywhere;
      const pods = copyPodsIn(stores).filter((pod) => isOfCopy(stores, pod));
      const shown = new Set(pods.map(ownerUidOf));
      for (const [owner, until] of begun) if (shown.has(owner) || until <= clock.elapsed()) begun.delete(owner);
      waits.keep((owner) => volumeOf(stores, owner) !== undefined);
      const active = pods.filter(isActive);
      const others = active.filter((pod) => ownerUidOf(pod) !== uid && isMoving(pod));
      // All of them, for the time of each counts.
      const isOthers = others.map((pod) => waits.lasts(pod)).includes(true);
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

/**
 * Whether a pod is of a copy that is under way, and lies where we make such pods. Anybody can give a pod the marks and the name of one; all
 * copies would wait for it.
 */
function isOfCopy({ volumes }: Pick<Stores, 'volumes'>, pod: Stored<Pod>): boolean {
  const volume = volumeOf({ volumes }, ownerUidOf(pod) ?? '');
  return (
    volume !== undefined &&
    hasFinalizer(volume) &&
    volume.metadata.annotations?.[annotations.cloneType] === 'copy' &&
    namespacesOf(volume).source === pod.metadata.namespace
  );
}

/**
 * Milliseconds that the pods of one DataVolume may keep others waiting, all together. A scheduler takes moments; a pod that it will not look at
 * (a scheduling gate, another scheduler) may be meant to.
 */
const longestWait = 30_000;

interface Waited {
  readonly pod: string;
  /** By the steady clock. */
  readonly since: number;
  /** For earlier pods. */
  readonly before: number;
  readonly last: number;
}

function createWaits(clock: Pick<Clock, 'elapsed'>) {
  const waited = new Map<string, Waited>();
  return {
    /** Forgets all owners but these; not those whose pod has gone, who may make another. */
    keep: (isThere: (owner: string) => boolean): void => {
      for (const owner of waited.keys()) if (!isThere(owner)) waited.delete(owner);
    },
    /** Whether a pod that has no node is still waited for. */
    lasts: (pod: Stored<Pod>): boolean => {
      const [owner, now] = [ownerUidOf(pod) ?? '', clock.elapsed()];
      const { uid } = pod.metadata;
      const known = waited.get(owner) ?? { pod: uid, since: now, before: 0, last: now };
      const { since, before } =
        known.pod === uid ? known : { since: now, before: known.before + known.last - known.since };
      waited.set(owner, { pod: uid, since, before, last: now });
      return before + now - since < longestWait;
    },
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
