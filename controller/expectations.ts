import { type KubeObject, keyOf, type ObjectRef, type Stored } from '../shared/api/objects.ts';
import type { Resource } from '../shared/kube/resource.ts';
import type { Clock } from '../shared/process/clock.ts';

/**
 * What we have written and the stores may not show yet. A plan made from an older picture would write the same once more, so nothing is
 * planned for a DataVolume until its own writes have come back through the watch.
 */
export interface Expectations {
  /** `object` is what the API server answered to a write for the DataVolume `key`. */
  expect(key: string, resource: Resource<KubeObject>, object: Stored<KubeObject>): void;
  /** What had this uid was deleted for the DataVolume `key`: it goes, or at least is seen to be going. */
  expectGone(key: string, resource: Resource<KubeObject>, ref: ObjectRef, uid: string): void;
  /** Milliseconds until a write for `key` that has not come back is no longer waited for; undefined when all have come back. */
  pending(key: string): number | undefined;
  forget(key: string): void;
}

interface Entry {
  readonly resource: Resource<KubeObject>;
  readonly ref: ObjectRef;
  readonly uid: string;
  /** Undefined when it was deleted. */
  readonly resourceVersion?: string;
  readonly until: number;
}

/**
 * What is written and deleted again at once may never be seen in a store. Going on after this time is safe all the same: names are
 * fixed and patches carry the version they were made for, so a second write is refused, not doubled.
 */
export const patience = 10_000;

export function createExpectations(
  lookup: (resource: Resource<KubeObject>, key: string) => KubeObject | undefined,
  clock: Clock,
): Expectations {
  const entries = new Map<string, readonly Entry[]>();
  const settled = (entry: Entry): boolean => {
    const seen = lookup(entry.resource, keyOf(entry.ref))?.metadata;
    if (entry.resourceVersion === undefined)
      return seen === undefined || seen.uid !== entry.uid || seen.deletionTimestamp !== undefined;
    return seen !== undefined && (seen.uid !== entry.uid || isAtLeast(seen.resourceVersion, entry.resourceVersion));
  };
  const add = (key: string, entry: Omit<Entry, 'until'>): void => {
    entries.set(key, [...(entries.get(key) ?? []), { ...entry, until: clock.elapsed() + patience }]);
  };
  return {
    expect: (key, resource, { metadata: { namespace = '', name, uid, resourceVersion } }) => {
      add(key, { resource, ref: { namespace, name }, uid, resourceVersion });
    },
    expectGone: (key, resource, ref, uid) => add(key, { resource, ref, uid }),
    pending: (key) => {
      const now = clock.elapsed();
      const open = (entries.get(key) ?? []).filter((entry) => entry.until > now && !settled(entry));
      if (open.length === 0) {
        entries.delete(key);
        return undefined;
      }
      entries.set(key, open);
      return Math.max(...open.map(({ until }) => until)) - now;
    },
    forget: (key) => void entries.delete(key),
  };
}

/** Resource versions of one kind grow (KEP-5504); one that is no number can only be recognised. */
function isAtLeast(seen: string | undefined, written: string): boolean {
  const decimal = /^\d+$/;
  if (seen === undefined || !decimal.test(seen) || !decimal.test(written)) return seen === written;
  return BigInt(seen) >= BigInt(written);
}
