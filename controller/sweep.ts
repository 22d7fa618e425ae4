import {
  type KubeObject,
  keyOf,
  type ObjectReference,
  type PersistentVolume,
  type Stored,
} from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import type { Emission, Recorder } from '../shared/kube/events.ts';
import { getIfExists } from '../shared/kube/get.ts';
import {
  apiVersionOf,
  claims,
  dataVolumes,
  persistentVolumes,
  pods,
  type Resource,
  volumeSnapshots,
} from '../shared/kube/resource.ts';
import type { Served } from '../shared/kube/served.ts';
import type { StoreReader } from '../shared/kube/store.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import { type Applier, createApplier } from './apply.ts';
import {
  copyPodName,
  exportPodName,
  hasFinalizer,
  helperName,
  isChild,
  ownerUidOf,
  restoredName,
  sharersOf,
  snapshotName,
  temporaryName,
} from './children.ts';
import type { Effect } from './effects.ts';
import { settle } from './steps/cleanup.ts';
import { about, isGoing, naming, remove } from './steps/parts.ts';
import { type Stores, volumeOf } from './stores.ts';

/**
 * Finds what clones made on their way and nobody cleans up any more, because the DataVolume is gone: somebody took our finalizer off it,
 * or a namespace was deleted over our heads. Only what carries our marks *and* the name that follows from them is ever removed, so that
 * a claim which its owner chose to keep (its labels and all) is not. A volume is never removed: it gets back the policy that it had.
 */

export interface SweepOptions {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch' | 'remove' | 'pages'>;
  readonly stores: Stores;
  readonly served: Pick<Served, 'namespaces' | 'includes' | 'closed'>;
  /** The pod of this program. */
  readonly self: { readonly namespace: string; readonly podName: string };
  readonly mode: 'remove' | 'report' | 'off';
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'orphans'>;
}

interface Row {
  readonly resource: Resource<KubeObject>;
  readonly store: (stores: Stores) => StoreReader<KubeObject>;
  readonly isOurs: (object: Stored<KubeObject>, uid: string) => boolean;
  /** Uids of the DataVolumes that it was made for. */
  readonly madeFor: (object: Stored<KubeObject>) => readonly string[];
  /** Whether one of them keeps it from being an orphan. */
  readonly isKeptBy: (volume: KubeObject) => boolean;
  readonly remedy: (object: Stored<KubeObject>) => readonly Effect[];
}

function child(resource: Resource<KubeObject>, names: readonly ((uid: string) => string)[], store: Row['store']): Row {
  return {
    resource,
    store,
    isOurs: (object, uid) => isChild(object, uid) && names.some((nameFor) => object.metadata.name === nameFor(uid)),
    madeFor: ownersOf,
    isKeptBy: () => true,
    remedy: (object) => remove(resource, object),
  };
}

function ownersOf(object: KubeObject): readonly string[] {
  const uid = ownerUidOf(object);
  return uid === undefined ? [] : [uid];
}

const rows: readonly Row[] = [
  child(pods, [helperName, copyPodName, exportPodName], (stores) => stores.pods),
  child(claims, [temporaryName, restoredName], (stores) => stores.claims),
  {
    ...child(volumeSnapshots, [snapshotName], (stores) => stores.snapshots),
    // Several may share it, and then it is nobody's more than another's; who has come to his end needs it no more.
    madeFor: sharersOf,
    isKeptBy: hasFinalizer,
  },
  {
    resource: persistentVolumes,
    store: (stores) => stores.persistentVolumes,
    isOurs: () => true,
    madeFor: ownersOf,
    isKeptBy: () => true,
    remedy: (volume: Stored<PersistentVolume>) => [settle(volume)],
  },
];

/**
 * Whether it can be told at all that nobody needs an object: only where we look after DataVolumes. A volume that is on its way is where its
 * claim is. Elsewhere another Clonegate may be at work on it.
 */
function isInSight(
  { served: { namespaces, includes } }: SweepOptions,
  { metadata, spec }: KubeObject & Claimed,
): boolean {
  const namespace = metadata.namespace ?? spec?.claimRef?.namespace;
  return namespaces.length === 0 || (namespace !== undefined && includes(namespace));
}

type Claimed = Pick<PersistentVolume, 'spec'>;

/** Milliseconds. */
const interval = 3_600_000;

/** Sweeps at once and every hour, until the signal aborts. Never rejects. */
export async function runSweeper(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, mode } = options;
  if (mode === 'off') return;
  while (!signal.aborted) {
    try {
      await sweep(options, signal);
      await clock.sleep(interval, signal);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error }, 'Sweep failed');
      await clock.sleep(interval, signal).catch(() => undefined);
    }
  }
}

/** One look at everything. @throws ApiError when it could not be finished. */
export async function sweep(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const { stores, client, metrics } = options;
  const suspects = rows.map((row) => ({
    row,
    objects: row
      .store(stores)
      .list()
      .filter((object) => isInSight(options, object) && isOrphan(row, object, (uid) => volumeOf(stores, uid))),
  }));
  // The stores may be a moment behind. All DataVolumes are read anew only where there is something to lose.
  const alive = suspects.some(({ objects }) => objects.length > 0)
    ? await livingOwners(options, signal)
    : new Map<string, KubeObject>();
  const applier = createApplier(client, { expect: () => undefined, expectGone: () => undefined });
  for (const { row, objects } of suspects) {
    let left = 0;
    for (const object of objects) {
      const orphan = await find(client, row.resource, object, signal);
      if (orphan === undefined || !isOrphan(row, orphan, (uid) => alive.get(uid))) continue;
      // What is on its way out has been told of already.
      if (isGoing(orphan) || !(await settleOrphan(options, applier, row, orphan, signal))) left += 1;
    }
    metrics.orphans.set({ kind: row.resource.kind }, left);
  }
}

function isOrphan(
  { isOurs, madeFor, isKeptBy }: Row,
  object: Stored<KubeObject>,
  find: (uid: string) => KubeObject | undefined,
): boolean {
  const uid = ownerUidOf(object);
  if (uid === undefined || !isOurs(object, uid)) return false;
  return madeFor(object).every((each) => {
    const volume = find(each);
    return volume === undefined || !isKeptBy(volume);
  });
}

/** All DataVolumes that there are at this moment, by their uids, as far as it matters here. */
async function livingOwners(
  { client, served }: SweepOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, KubeObject>> {
  const { namespaces } = served;
  const shut = namespaces.flatMap((namespace) => served.closed(namespace) ?? []);
  // They may be there.
  if (shut.length > 0) throw new Error(`not all DataVolumes can be seen: ${shut.join('; ')}`);
  const found = new Map<string, KubeObject>();
  for (const area of namespaces.length === 0 ? [{}] : namespaces.map((namespace) => ({ namespace }))) {
    for await (const { items } of client.pages(dataVolumes, { ...area, signal })) {
      for (const { metadata } of items) {
        const { uid, name, finalizers } = metadata;
        found.set(uid, { metadata: { uid, name, ...(finalizers === undefined ? {} : { finalizers }) } });
      }
    }
  }
  return found;
}

/** As it stands there now; undefined when it is gone, or another has come in its place. */
async function find(
  client: Pick<Client, 'get'>,
  resource: Resource<KubeObject>,
  { metadata: { namespace = '', name, uid } }: Stored<KubeObject>,
  signal: AbortSignal,
): Promise<Stored<KubeObject> | undefined> {
  const found = await getIfExists(client, resource, { namespace, name }, { signal });
  return found?.metadata.uid === uid ? found : undefined;
}

/** @returns whether nothing is left of it. */
async function settleOrphan(
  options: SweepOptions,
  applier: Applier,
  { resource, remedy }: Row,
  object: Stored<KubeObject>,
  signal: AbortSignal,
): Promise<boolean> {
  const { mode, recorder, log } = options;
  const removes = mode === 'remove';
  const applied = removes ? await applier.apply(keyOf(object.metadata), remedy(object), { signal }) : undefined;
  const note = `${naming(resource, object)} was made for a clone whose DataVolume does not exist any more`;
  const settled = applied?.kind === 'written';
  const reason = settled ? 'OrphanRemoved' : 'OrphanFound';
  recorder.emit({
    ...placeOf(options, object.metadata.namespace, about(resource, object)),
    type: 'Warning',
    reason,
    action: 'Sweep',
    note,
  });
  log.warn({ kind: resource.kind, object: keyOf(object.metadata), removed: settled }, 'Orphaned object found');
  return settled;
}

/**
 * Events about what has no namespace are kept in `default`, by convention. Where only some namespaces are served it need not be among them,
 * so they are told of ourselves in our own.
 */
function placeOf(
  { served: { namespaces }, self: { namespace, podName: name } }: SweepOptions,
  theirs: string | undefined,
  regarding: ObjectReference,
): Pick<Emission, 'namespace' | 'regarding' | 'related'> {
  if (theirs !== undefined || namespaces.length === 0) return { namespace: theirs ?? 'default', regarding };
  const pod = { apiVersion: apiVersionOf(pods), kind: pods.kind, namespace, name };
  return { namespace, regarding: pod, related: regarding };
}
