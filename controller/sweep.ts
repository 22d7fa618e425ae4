import { type KubeObject, keyOf, type Stored } from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import { isConflict, isNotFound } from '../shared/kube/errors.ts';
import type { Recorder } from '../shared/kube/events.ts';
import { claims, dataVolumes, pods, type Resource, volumeSnapshots } from '../shared/kube/resource.ts';
import type { StoreReader } from '../shared/kube/store.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import { referenceTo } from './blocker.ts';
import { helperName, isChild, ownerUidOf, snapshotName, temporaryName } from './children.ts';
import { keyOfVolume, type Stores } from './stores.ts';

/**
 * Finds what clones made on their way and nobody cleans up any more, because the DataVolume is gone: somebody took our finalizer off it,
 * or a namespace was deleted over our heads. Only what carries our marks *and* the name that follows from them is ever touched, so that
 * a claim which its owner chose to keep (its labels and all) is not.
 */

export interface SweepOptions {
  readonly client: Pick<Client, 'get' | 'pages' | 'remove'>;
  readonly stores: Stores;
  readonly mode: 'remove' | 'report' | 'off';
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'orphans'>;
}

interface Row {
  readonly resource: Resource<KubeObject>;
  readonly store: (stores: Stores) => StoreReader<KubeObject>;
  readonly nameFor: (uid: string) => string;
}

const rows: readonly Row[] = [
  { resource: pods, store: (stores) => stores.pods, nameFor: helperName },
  { resource: claims, store: (stores) => stores.claims, nameFor: temporaryName },
  { resource: volumeSnapshots, store: (stores) => stores.snapshots, nameFor: snapshotName },
];

/** Milliseconds. */
const interval = 3_600_000;

/** Sweeps at once and every hour, until the signal aborts. */
export async function runSweeper(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, mode } = options;
  if (mode === 'off') return;
  for (;;) {
    try {
      await sweep(options, signal);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error }, 'Sweep failed');
    }
    try {
      await clock.sleep(interval, signal);
    } catch {
      return;
    }
  }
}

/** One look at everything. @throws ApiError when it could not be finished. */
export async function sweep(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const { stores } = options;
  const suspects = rows.map((row) => ({
    row,
    objects: row
      .store(stores)
      .list()
      .filter((object) => isOurs(row, object) && !hasOwner(stores, object)),
  }));
  // The stores may be a moment behind. Asked for only where there is something to lose.
  const alive = suspects.some(({ objects }) => objects.length > 0) ? await livingOwners(options, signal) : new Set();
  for (const { row, objects } of suspects) {
    const orphans = objects.filter((object) => !alive.has(ownerUidOf(object)));
    let left = 0;
    for (const orphan of orphans) if (!(await settle(options, row, orphan, signal))) left += 1;
    options.metrics.orphans.set({ kind: row.resource.kind }, left);
  }
}

function isOurs({ nameFor }: Row, object: Stored<KubeObject>): boolean {
  const uid = ownerUidOf(object);
  return uid !== undefined && isChild(object, uid) && object.metadata.name === nameFor(uid);
}

function hasOwner(stores: Stores, object: Stored<KubeObject>): boolean {
  return keyOfVolume(stores, ownerUidOf(object) ?? '') !== undefined;
}

/** Uids of all DataVolumes that there are at this moment. */
async function livingOwners({ client }: SweepOptions, signal: AbortSignal): Promise<ReadonlySet<unknown>> {
  const uids = new Set<unknown>();
  for await (const { items } of client.pages(dataVolumes, { signal }))
    for (const { metadata } of items) uids.add(metadata.uid);
  return uids;
}

/** @returns whether it is gone. */
async function settle(
  { client, mode, recorder, log }: SweepOptions,
  row: Row,
  { metadata }: Stored<KubeObject>,
  signal: AbortSignal,
): Promise<boolean> {
  const { resource } = row;
  const ref = { namespace: metadata.namespace ?? '', name: metadata.name };
  const object = await find(client, resource, ref, signal);
  // What stands there now may be something else than what the store has seen.
  if (object === undefined || object.metadata.uid !== metadata.uid || !isOurs(row, object)) return true;
  const remove = mode === 'remove';
  const note = `${resource.kind} ${keyOf(ref)} was made for a clone whose DataVolume does not exist any more`;
  if (object.metadata.deletionTimestamp === undefined) {
    if (remove && !(await removeIt(client, resource, object, signal))) return false;
    const regarding = referenceTo(resource, object);
    const reason = remove ? 'OrphanRemoved' : 'OrphanFound';
    recorder.emit({ namespace: ref.namespace, regarding, type: 'Warning', reason, action: 'Sweep', note });
    log.warn({ kind: resource.kind, object: keyOf(ref), removed: remove }, 'Orphaned object found');
  }
  return remove;
}

async function find(
  client: Pick<Client, 'get'>,
  resource: Resource<KubeObject>,
  ref: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<Stored<KubeObject> | undefined> {
  try {
    return await client.get(resource, ref, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Just what was looked at: if somebody changes it at this moment, the next sweep looks again. @returns whether it is gone. */
async function removeIt(
  client: Pick<Client, 'remove'>,
  resource: Resource<KubeObject>,
  { metadata: { namespace = '', name, uid, resourceVersion } }: Stored<KubeObject>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await client.remove(resource, { namespace, name }, { signal, preconditions: { uid, resourceVersion } });
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}
