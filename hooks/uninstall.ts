import { createApplier } from '../controller/apply.ts';
import { childrenOf, namespacesOf } from '../controller/belongings.ts';
import { hasFinalizer } from '../controller/children.ts';
import type { Expectations } from '../controller/expectations.ts';
import { letGo } from '../controller/planner.ts';
import { isAwake } from '../controller/resting.ts';
import { about } from '../controller/steps/parts.ts';
import type { Stores } from '../controller/stores.ts';
import { type SweepOptions, sweep } from '../controller/sweep.ts';
import type { DataVolume } from '../shared/api/datavolume.ts';
import { keyOf, type Stored } from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import { isNotFound } from '../shared/kube/errors.ts';
import type { Recorder } from '../shared/kube/events.ts';
import type { Elector } from '../shared/kube/lease.ts';
import { dataVolumes, deployments } from '../shared/kube/resource.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';

/**
 * What has to be done before the controller goes for good, for afterwards nobody takes our finalizer off a DataVolume, and one that is
 * deleted then would hang, and its namespace with it.
 *
 * 1. Clones under way are given time to come to their end; the controller still works.
 * 2. The controller is told to stop, and the Lease is taken: from then on nobody else works.
 * 3. What is still under way is let go of just as if its DataVolume were deleted: temporary objects are removed, then the finalizer.
 *    DataVolumes, target claims and sources stay. A clone that was cut off goes on when Clonegate is installed again, since its stamp
 *    stays valid as long as the Secrets with the keys do.
 */
export interface UninstallOptions {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch' | 'remove' | 'pages'>;
  /** Filled already. */
  readonly stores: Stores;
  readonly expectations: Expectations;
  readonly elector: Elector;
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'orphans'>;
  readonly served: SweepOptions['served'];
  /** Our own pod; the controller's Deployment is in its namespace. */
  readonly self: SweepOptions['self'];
  /** Milliseconds for clones to come to their end. */
  readonly wait: number;
}

export const controllerDeployment = 'clonegate-controller';

/** Milliseconds between two looks at the stores, which are kept by watches. */
const pace = 250;

/** @returns keys of the DataVolumes whose clones were cut off. @throws ApiError, or the signal's reason. */
export async function uninstall(options: UninstallOptions, signal: AbortSignal): Promise<readonly string[]> {
  const { log, elector } = options;
  await untilEnded(options, signal);
  await stopController(options, signal);
  const cut = new Set<string>();
  let done = false;
  await elector.run(signal, async (lost) => {
    await release(options, cut, lost);
    await sweep({ ...options, mode: 'remove' }, lost);
    done = true;
  });
  signal.throwIfAborted();
  if (!done) throw new Error('another controller took over before all was let go of');
  log.info({ cutOff: [...cut] }, 'No DataVolume carries our finalizer any more');
  return [...cut];
}

function underWay({ stores }: UninstallOptions): readonly Stored<DataVolume>[] {
  return stores.volumes.list().filter(isAwake).filter(hasFinalizer);
}

async function untilEnded(options: UninstallOptions, signal: AbortSignal): Promise<void> {
  const { clock, wait, log } = options;
  const deadline = clock.elapsed() + wait;
  const first = underWay(options);
  if (first.length > 0) log.info({ clones: first.map(keyOfVolume) }, 'Clones under way are waited for');
  // Those that begin meanwhile are not: else a busy cluster would never be done.
  const uids = new Set(first.map(({ metadata }) => metadata.uid));
  const isOpen = (): boolean => underWay(options).some(({ metadata }) => uids.has(metadata.uid));
  while (isOpen() && clock.elapsed() < deadline) await clock.sleep(pace, signal);
}

async function stopController({ client, self, log }: UninstallOptions, signal: AbortSignal): Promise<void> {
  try {
    const ref = { namespace: self.namespace, name: controllerDeployment };
    await client.mergePatch(deployments, ref, { spec: { replicas: 0 } }, { signal, subresource: 'scale' });
    log.info('The controller was told to stop');
  } catch (error) {
    if (!isNotFound(error)) throw error;
    log.info('There is no Deployment of the controller');
  }
}

async function release(options: UninstallOptions, cut: Set<string>, lost: AbortSignal): Promise<void> {
  const { client, stores, expectations, clock } = options;
  const applier = createApplier(client, expectations);
  for (let left = underWay(options); left.length > 0; left = underWay(options)) {
    for (const volume of left) {
      const key = keyOfVolume(volume);
      if (expectations.pending(key) !== undefined) continue;
      const { effects } = letGo(volume, childrenOf(stores, volume.metadata.uid, namespacesOf(volume)));
      const { kind } = await applier.apply(key, effects, { signal: lost });
      if (kind === 'written' && volume.status?.phase !== 'Succeeded') report(options, cut, volume);
    }
    await clock.sleep(pace, lost);
  }
}

function report({ recorder, log }: UninstallOptions, cut: Set<string>, volume: Stored<DataVolume>): void {
  const key = keyOfVolume(volume);
  if (cut.has(key)) return;
  cut.add(key);
  const { namespace = '' } = volume.metadata;
  recorder.emit({
    namespace,
    regarding: about(dataVolumes, volume),
    type: 'Warning',
    reason: 'CloneAbandoned',
    action: 'Uninstall',
    note: `Clonegate was uninstalled in phase ${volume.status?.phase ?? 'Pending'} of the clone; it goes on when Clonegate is installed again`,
  });
  log.warn({ dataVolume: key, phase: volume.status?.phase }, 'Clone was cut off');
}

function keyOfVolume({ metadata }: Stored<DataVolume>): string {
  return keyOf(metadata);
}
