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
import { nodesAreUsable, startNodes, startRuntimes } from './node/index.ts';
import { type Machine, startMachines } from './node/machine.ts';
import { ensureNodeRequirements } from './node/requirements.ts';
import { createPool } from './pool.ts';
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
  /**
   * `api`: etcd and kube-apiserver. `storage`: also the controllers, the scheduler, and CSI drivers with their sidecars; the one node is on
   * paper. `node`: the same with real nodes (kubelet, containerd, kube-proxy), whose pods run; needs root and Debian's packages.
   */
  readonly tier: Tier;
  /** For tier `node`: how many; default 1. */
  readonly nodes?: 1 | 2;
  /** For tiers `storage` and `node`; default is one driver, `reflink`, that can do everything; with two nodes also `near` and `far`. */
  readonly drivers?: readonly DriverOptions[];
  /** Part of the temp folder's name; default `test`. */
  readonly name?: string;
  /** Told about each phase of the start. */
  readonly log?: (line: string) => void;
}

export type Tier = 'api' | 'storage' | 'node';

/** A cluster that this process has started, and so may break and stop. */
export interface Cluster extends ClusterAccess {
  readonly apiServer: ManagedProcess;
  /**
   * Any of its processes: `etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `snapshot-controller`, and for a
   * driver `reflink`: `csi-driver.reflink`, `csi-provisioner.reflink`, `csi-snapshotter.reflink`, `csi-resizer.reflink`; of a real node
   * `node-1`: `kubelet.node-1`, `containerd.node-1`, `kube-proxy.node-1`, and for a second node its `csi-driver.reflink.node-2`.
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
  const storage = options.tier !== 'api';
  if (options.tier === 'node') await ensureNodeRequirements();
  const binaries = await ensureBinaries(storage ? binaryNames : apiTier);
  const id = newId(options.name ?? 'test');
  const guard = startGuard(id);
  const onDeath = (message: string): void => {
    if (guard.armed) complain(message);
  };
  const nodes = options.tier === 'node' ? (options.nodes ?? 1) : 0;
  const site: Site = { id, folders: foldersOf(id), binaries, nodes, onDeath };
  try {
    mkdirSync(join(site.folders.state, 'logs'), { recursive: true, mode: 0o700 });
    const [{ etcd, apiServer, endpoint }, ground] = await both(
      startControlPlane(site),
      storage ? startGround(site, log) : Promise.resolve(bareGround),
    );
    log('kube-apiserver is ready');
    const names = ground.machines.map(({ name }) => name);
    const address = { id, folder: site.folders.state, endpoint, kubectl: binaries('kubectl'), nodes: names };
    const access = attach(address);
    const drivers = options.drivers ?? defaultDrivers(nodes);
    const more = storage ? await startRest(site, access, drivers, ground, log) : [];
    return ownedCluster(access, [etcd, apiServer, ...ground.processes, ...more], apiServer, guard);
  } catch (error) {
    await guard.release();
    throw error;
  }
}

/** What needs no API server: where volumes are kept, and the machines that are going to be nodes. */
interface Ground {
  readonly machines: readonly Machine[];
  readonly processes: readonly ManagedProcess[];
}

const bareGround: Ground = { machines: [], processes: [] };

async function startGround(site: Site, log: (line: string) => void): Promise<Ground> {
  const pool = await createPool({ id: site.id, state: site.folders.state }, log);
  log(`storage pool: ${pool.kind} at ${pool.folder}`);
  const machines = await startMachines(site, site.nodes);
  return { machines, processes: await startRuntimes(site, machines) };
}

async function startRest(
  site: Site,
  access: ClusterAccess,
  drivers: readonly DriverOptions[],
  { machines }: Ground,
  log: (line: string) => void,
): Promise<readonly ManagedProcess[]> {
  const [storage, nodes] = await both(
    startStorage(site, access, drivers, ensureAssets(), machines),
    startNodes(site, machines, access),
  );
  log('controllers, CSI drivers and sidecars run');
  await nodesAreUsable(access, machines, drivers);
  if (machines.length > 0) log(`${machines.map(({ name }) => name).join(', ')} may be used`);
  return [...storage, ...nodes];
}

/** When one fails, the other is waited for first: what it made after the cleaning up would stay. */
async function both<One, Other>(one: Promise<One>, other: Promise<Other>): Promise<readonly [One, Other]> {
  await Promise.allSettled([one, other]);
  return [await one, await other];
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
