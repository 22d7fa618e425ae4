import type { DataVolume } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import { keyOf, type Stored } from '../shared/api/objects.ts';
import { hasFinalizer } from './children.ts';
import { conditionOf } from './conditions.ts';
import { classGroup, groupsOf, sourceGroup } from './groups.ts';
import { sourcesOf } from './hint.ts';
import type { Observed } from './observed.ts';
import { isResting } from './resting.ts';
import { type Wait, waitFor } from './steps/step.ts';
import { clonesIn, type Stores } from './stores.ts';

/**
 * How many clones of one source, and into one StorageClass, are under way at the same time. Who is next follows from the objects alone,
 * so that a restart changes nothing: namespaces take turns, and within one the oldest is first.
 */

export interface TurnLimits {
  /** 0: any number. */
  readonly perSource: number;
  readonly perStorageClass: number;
  readonly copiesPerStorageClass: number;
}

/** Clones that share a limit. */
interface Group {
  /** For people. */
  readonly what: string;
  readonly limit: number;
  readonly members: readonly Stored<DataVolume>[];
}

export interface Turns {
  /** Undefined when the clone may begin; it is then counted as if it had, until {@link seen}. */
  wait(key: string, o: Observed): Wait | undefined;
  /** What was written for it has come back, or nothing was: the stores say how far it is. */
  seen(key: string): void;
  /** Tells of those whose turn it may be because another has come to its end. */
  subscribe(add: (key: string) => void): () => void;
}

export function createTurns(stores: Stores, limits: TurnLimits): Turns {
  /** Those that were let through and do not show it in the stores yet: workers must not let through one too many in between. */
  const starting = new Set<string>();
  const groups = ({ source, choice }: Observed): readonly Group[] => {
    if (source === undefined || choice.by !== 'record') return [];
    const { storageClassName: className = '' } = choice.target;
    const classes = isDefault(stores, className) ? [className, ''] : [className];
    const ofClass = classes.flatMap((name) => clonesIn(stores, classGroup(name)));
    const all: readonly Group[] = [
      {
        what: `of ${sourceGroup(source.ref)}`,
        limit: limits.perSource,
        members: clonesIn(stores, sourceGroup(source.ref)),
      },
      {
        what: `into StorageClass ${className}`,
        limit: limits.perStorageClass,
        members: ofClass,
      },
      {
        what: `by copy into StorageClass ${className}`,
        limit: choice.strategy === 'copy' ? limits.copiesPerStorageClass : 0,
        members: ofClass.filter(isCopy),
      },
    ];
    return all.filter(({ limit }) => limit > 0);
  };
  return {
    wait: (key, o) => {
      for (const group of groups(o)) {
        const place = placeIn(group, o.volume, starting);
        if (place > 0) return queued(group, place);
      }
      starting.add(key);
      return undefined;
    },
    seen: (key) => void starting.delete(key),
    subscribe: (add) =>
      stores.volumes.subscribe(({ type, object, previous }) => {
        if (previous === undefined || isResting(previous) || !counts(previous)) return;
        if (type !== 'deleted' && !isResting(object) && counts(object)) return;
        for (const key of nextOf(stores, previous)) add(key);
      }),
  };
}

function isCopy({ metadata }: Stored<DataVolume>): boolean {
  return metadata.annotations?.[annotations.cloneType] === 'copy';
}

function isDefault({ storageClasses }: Stores, name: string): boolean {
  const marks = storageClasses.get(name)?.metadata.annotations ?? {};
  return marks[annotations.defaultClass] === 'true' || marks[annotations.defaultVirtClass] === 'true';
}

/**
 * Whether it takes up a place. What waits for its first consumer costs the storage nothing and may do so for ever, and the consumer does
 * not wait for us when it comes.
 */
function counts(volume: Stored<DataVolume>): boolean {
  const { phase = '' } = volume.status ?? {};
  if (placeless.has(phase) || isStuck(volume) || isToldToWait(volume)) return false;
  return hasFinalizer(volume) && volume.metadata.deletionTimestamp === undefined;
}

/** What has waited for so long before anything was done (for a class that makes no volume, say) may do so for ever, and keeps nobody waiting. */
function isStuck({ status }: Stored<DataVolume>): boolean {
  return status?.phase === 'CloneScheduled' && conditionOf(status, 'Ready')?.reason === 'CloneStalled';
}

/**
 * What is Pending waits for something else than storage. It may be of somebody without any right, who has put our finalizer on his DataVolume and
 * named the source of others: the finalizer alone does not tell that a clone has begun.
 */
const placeless: ReadonlySet<string> = new Set([
  'Pending',
  'Succeeded',
  'Failed',
  'WaitForFirstConsumer',
  'PendingPopulation',
]);

function isToldToWait({ status }: Stored<DataVolume>): boolean {
  return conditionOf(status, 'Running')?.reason === 'CloneQueued';
}

/** Whether it waits for its turn, or will as soon as it is looked at. */
function isQueued(volume: Stored<DataVolume>): boolean {
  const { metadata, status } = volume;
  if (metadata.deletionTimestamp !== undefined || counts(volume)) return false;
  return status?.phase === undefined || isToldToWait(volume);
}

/** 0: it is its turn; else how many have to end before. */
function placeIn({ members, limit }: Group, volume: Stored<DataVolume>, starting: ReadonlySet<string>): number {
  const others = members.filter(({ metadata }) => metadata.uid !== volume.metadata.uid);
  const isUnderWay = (other: Stored<DataVolume>): boolean => counts(other) || starting.has(keyOf(other.metadata));
  const underWay = others.filter(isUnderWay);
  const rank = ranking(underWay, [volume, ...others.filter((other) => !isUnderWay(other) && isQueued(other))]);
  return Math.max(0, underWay.length + rank.indexOf(volume) - limit + 1);
}

/** Those that wait, in the order of their turns. */
function ranking(
  underWay: readonly Stored<DataVolume>[],
  waiting: readonly Stored<DataVolume>[],
): readonly Stored<DataVolume>[] {
  const taken = new Map<string, number>();
  const take = ({ metadata: { namespace = '' } }: Stored<DataVolume>): number => {
    const round = taken.get(namespace) ?? 0;
    taken.set(namespace, round + 1);
    return round;
  };
  for (const one of underWay) take(one);
  const rounds = waiting.toSorted(byAge).map((volume) => ({ volume, round: take(volume) }));
  // The sort is stable: within a round the oldest stays first.
  return rounds.toSorted((a, b) => a.round - b.round).map(({ volume }) => volume);
}

function byAge({ metadata: a }: Stored<DataVolume>, { metadata: b }: Stored<DataVolume>): number {
  const age = (a.creationTimestamp ?? '').localeCompare(b.creationTimestamp ?? '');
  return age === 0 ? a.uid.localeCompare(b.uid) : age;
}

/** The first of those that wait in each of its groups; the others follow when their turn comes. */
function nextOf(stores: Stores, volume: Stored<DataVolume>): readonly string[] {
  return groupsOf(volume, sourcesOf(volume)).flatMap((group) => {
    const all = clonesIn(stores, group);
    const [next] = ranking(all.filter(counts), all.filter(isQueued));
    return next === undefined ? [] : [keyOf(next.metadata)];
  });
}

/**
 * The place is told anew the more often the nearer it is, for each telling is a write: so a thousand that wait cost a handful of writes
 * a second, all together.
 */
function queued({ what, limit }: Group, place: number): Wait {
  const message = `${limit} clones ${what} are under way, as many as may be; place ${place} in the queue`;
  const again = Math.min(Math.max(shortestPause, place * 2000), longestPause);
  return waitFor('CloneScheduled', 'CloneQueued', message, { type: 'Normal', again });
}

/** Milliseconds. */
const shortestPause = 10_000;
const longestPause = 600_000;
