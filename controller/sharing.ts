import type { DataVolume } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import { keyOf, type PersistentVolumeClaim, type Stored, type VolumeSnapshot } from '../shared/api/objects.ts';
import { volumeSnapshots } from '../shared/kube/resource.ts';
import type { Clock } from '../shared/process/clock.ts';
import { hasSnapshot, needsSnapshot } from './belongings.ts';
import { sharersOf } from './children.ts';
import type { Effect } from './effects.ts';
import { sourceGroup } from './groups.ts';
import { clonesIn, type Stores, snapshotsOf, volumeOf } from './stores.ts';

/**
 * Who may take one snapshot together: clones of the same source that have come to the point where they need one. While one is being
 * taken, those that come too late for it gather for the next. So a crowd makes a few snapshots, not one each, and who is alone waits for
 * nobody. What is remembered here only brings them together; a restart loses nothing but that (see belongings.ts for what is safe, and why).
 */

/** With whom a clone would take its snapshot. */
export interface Company {
  /** No other clone of the source is on its way. */
  readonly alone: boolean;
  /** Milliseconds that are left for others to come, who come at the same time but may be a moment later. */
  readonly gathers: number;
  /** Uids of those that wait for the same. */
  readonly others: readonly string[];
  /** A snapshot of the source is in the making, and none of the clone's. */
  readonly inTheMaking: Stored<VolumeSnapshot> | 'asked for' | undefined;
  /** By this value the company finds together; undefined for who wants a snapshot of its own. */
  readonly group: string | undefined;
}

export const nobody: Company = {
  alone: true,
  gathers: 0,
  others: [],
  inTheMaking: undefined,
  group: undefined,
};

export interface Wanted {
  readonly volume: Stored<DataVolume>;
  readonly source: Stored<PersistentVolumeClaim>;
  readonly snapshotClass: string;
}

export interface Sharing {
  /** By what the stores show at this moment. */
  companyOf(wanted: Wanted): Company;
  /** How the pass over this DataVolume ends: whether it waits for a snapshot, and what is going to be written. */
  ends(key: string, company: Company, waitsForSnapshot: boolean, effects: readonly Effect[]): void;
  /** What was written for it has come back, or nothing was. */
  seen(key: string): void;
  forget(key: string): void;
}

/** Their uids are an annotation, which may be 256 KiB long all together. */
const most = 500;

/** Milliseconds. A snapshot takes longer, and of what is taken one by one, each keeps the next waiting. */
const moment = 100;

interface Member {
  readonly uid: string;
  readonly group: string;
  /** When it came, by the steady clock. */
  readonly since: number;
}

export function createSharing(stores: Stores, clock: Pick<Clock, 'elapsed'>): Sharing {
  const waiting = new Map<string, Member>();
  /** Those that have asked for a snapshot. */
  const asked = new Map<string, Member>();
  const leftOf = (member: Member | undefined, group: string): number =>
    member?.group === group ? Math.max(0, member.since + moment - clock.elapsed()) : moment;
  return {
    companyOf: (wanted) => {
      const { volume, source } = wanted;
      if (volume.metadata.annotations?.[annotations.shareSnapshot] === 'false') return nobody;
      const { uid } = volume.metadata;
      const group = groupOf(wanted);
      const others = [...waiting.values()].filter((member) => member.group === group && member.uid !== uid);
      const alone = isAlone(stores, source, uid);
      const isAsked = [...asked.values()].some(
        (member) => member.group === group && member.uid !== uid && !hasSnapshot(stores, member.uid),
      );
      return {
        alone,
        gathers: alone ? 0 : leftOf(waiting.get(keyOf(volume.metadata)), group),
        others: others
          .map((member) => member.uid)
          .filter((other) => mayJoin(stores, other))
          .slice(0, most),
        inTheMaking: isAsked ? 'asked for' : inTheMaking(stores, source, uid),
        group,
      };
    },
    ends: (key, { group }, waitsForSnapshot, effects) => {
      const uid = stores.volumes.get(key)?.metadata.uid;
      if (group === undefined || uid === undefined || !waitsForSnapshot) waiting.delete(key);
      else if (waiting.get(key)?.group !== group) waiting.set(key, { uid, group, since: clock.elapsed() });
      const takes = effects.some(
        ({ kind, resource }) => kind === 'create' && resource.plural === volumeSnapshots.plural,
      );
      if (takes && group !== undefined && uid !== undefined) asked.set(key, { uid, group, since: clock.elapsed() });
    },
    seen: (key) => void asked.delete(key),
    forget: (key) => {
      asked.delete(key);
      waiting.delete(key);
    },
  };
}

/** The very claim, by the same class, and by the same rule for a source that is in use. */
function groupOf({ volume, source, snapshotClass }: Wanted): string {
  const inUse = volume.metadata.annotations?.[annotations.sourceInUse];
  return JSON.stringify([keyOf(source.metadata), source.metadata.uid, snapshotClass, inUse]);
}

function isAlone(stores: Stores, { metadata }: Stored<PersistentVolumeClaim>, uid: string): boolean {
  const { namespace = '', name } = metadata;
  const group = sourceGroup({ kind: 'PersistentVolumeClaim', namespace, name });
  return clonesIn(stores, group).every((volume) => volume.metadata.uid === uid);
}

/** It has begun, so it will clean up what it shares in; and it has nothing yet. */
function mayJoin(stores: Stores, uid: string): boolean {
  return needsSnapshot(stores, volumeOf(stores, uid)) && !hasSnapshot(stores, uid);
}

/** What has failed, what goes, and what nobody waits for is not waited for. */
function inTheMaking(
  stores: Stores,
  { metadata }: Stored<PersistentVolumeClaim>,
  uid: string,
): Stored<VolumeSnapshot> | undefined {
  return snapshotsOf(stores, keyOf(metadata)).find((snapshot) => {
    const { readyToUse, error } = snapshot.status ?? {};
    if (readyToUse === true || error !== undefined || snapshot.metadata.deletionTimestamp !== undefined) return false;
    const sharers = sharersOf(snapshot);
    return !sharers.includes(uid) && sharers.some((sharer) => needsSnapshot(stores, volumeOf(stores, sharer)));
  });
}
