import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { attach, type ClusterAccess } from './access.ts';
import { startControlPlane } from './apiserver.ts';
import { ensureAssets } from './assets.ts';
import { apiTier, binaryNames } from './binaries.ts';
import { ensureBinaries } from './build.ts';
import { type DriverOptions, defaultDrivers } from './drivers.ts';
import { type Guard, startGuard } from './guard.ts';
import { foldersOf, newId } from './identity.ts';
import type { ManagedProcess } from './process.ts';
import type { Site } from './site.ts';
import { startStorage } from './storage.ts';

export {
  attach,
  type ClusterAccess,
  type ClusterAddress,
  type RunOptions,
  type ServiceAccountMount,
} from './access.ts';
export { type AuditEvent, cameSince, isWrite, wordsOf } from './audit.ts';
export { type DriverOptions, nodeName } from './drivers.ts';
export type { Finished, KubectlOptions } from './kubectl.ts';
export type { ManagedProcess } from './process.ts';
export { until } from './until.ts';
export type { User } from './users.ts';

export interface ClusterOptions {
  /** `api`: etcd and kube-apiserver. `storage`: also the controllers, the scheduler, and CSI drivers with their sidecars. */
  readonly tier: 'api' | 'storage';
  /** For tier `storage`; default is one driver, `reflink`, that can do everything. */
  readonly drivers?: readonly DriverOptions[];
  /** Part of the temp folder's name; default `test`. */
  readonly name?: string;
  /** Told about each phase of the start. */
  readonly log?: (line: string) => void;
}

/** A cluster that this process has started, and so may break and stop. */
export interface Cluster extends ClusterAccess {
  readonly apiServer: ManagedProcess;
  /**
   * Any of its processes: `etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `snapshot-controller`, and for a
   * driver `reflink`: `csi-driver.reflink`, `csi-provisioner.reflink`, `csi-snapshotter.reflink`, `csi-resizer.reflink`.
   * @throws Error when there is none of that name.
   */
  process(name: string): ManagedProcess;
  /** Ends every process, unmounts, and removes every file. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a control plane of its own on loopback: free ports, a temp folder, nothing shared with any other. When this process ends,
 * in whatever way, the cluster goes too. The first time ever, the programs are built, which takes minutes.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const log = timed(options.log ?? (() => undefined));
  const storage = options.tier === 'storage';
  const binaries = await ensureBinaries(storage ? binaryNames : apiTier);
  const id = newId(options.name ?? 'test');
  const guard = startGuard(id);
  const onDeath = (message: string): void => {
    if (guard.armed) complain(message);
  };
  const site: Site = { id, folders: foldersOf(id), binaries, onDeath };
  try {
    mkdirSync(join(site.folders.state, 'logs'), { recursive: true, mode: 0o700 });
    const { etcd, apiServer, endpoint } = await startControlPlane(site);
    log('kube-apiserver is ready');
    const access = attach({ id, folder: site.folders.state, endpoint, kubectl: binaries('kubectl') });
    const drivers = options.drivers ?? defaultDrivers;
    const more = storage ? await startStorage(site, access, drivers, ensureAssets(), log) : [];
    if (storage) log('controllers, CSI drivers and sidecars run');
    return ownedCluster(access, [etcd, apiServer, ...more], apiServer, guard);
  } catch (error) {
    await guard.release();
    throw error;
  }
}

function ownedCluster(
  access: ClusterAccess,
  started: readonly ManagedProcess[],
  apiServer: ManagedProcess,
  guard: Guard,
): Cluster {
  const processes = new Map(started.map((process) => [process.name, process]));
  return {
    ...access,
    apiServer,
    process: (name) => {
      const found = processes.get(name);
      if (found === undefined) throw new Error(`no process ${name}; there are ${[...processes.keys()].join(', ')}`);
      return found;
    },
    stop: async () => {
      await access.close();
      await guard.release();
    },
  };
}

/** Puts the seconds since now before each line. */
function timed(log: (line: string) => void): (line: string) => void {
  const begin = performance.now();
  return (line) => log(`${((performance.now() - begin) / 1000).toFixed(1).padStart(5)} s  ${line}`);
}

function complain(message: string): void {
  process.stderr.write(`${message}\n`);
}
