import type { ClusterAccess } from './access.ts';
import type { Api } from './api.ts';
import type { Assets } from './assets.ts';
import type { SidecarName } from './binaries.ts';
import { controllerManagerProcess, schedulerProcess } from './controllers.ts';
import { driverProcesses, socketOf } from './driver.ts';
import { type DriverOptions, driverManifests, nodeManifests, nodeStatus } from './drivers.ts';
import { applyAll, pathOfManifest, readManifests } from './manifest.ts';
import type { Machine } from './node/machine.ts';
import { type ManagedProcess, startAll } from './process.ts';
import { accountObjects, sidecarNamespace, sidecarRules } from './rbac.ts';
import { type SidecarAccounts, sidecarProcesses, snapshotControllerProcess } from './sidecars.ts';
import type { Site } from './site.ts';
import { until } from './until.ts';

/** Everything above the API server that provisioning, cloning, snapshotting and growing volumes takes; ready when this resolves. */
export async function startStorage(
  site: Site,
  access: ClusterAccess,
  drivers: readonly DriverOptions[],
  assets: Promise<Assets>,
  machines: readonly Machine[],
): Promise<readonly ManagedProcess[]> {
  const controllers = [controllerManagerProcess(site, access.address.endpoint, access.api), schedulerProcess(site)];
  const [, accounts, csiDrivers] = await Promise.all([
    startAll(controllers),
    createAccounts(access),
    startDrivers(site, drivers, assets, machines),
    furnish(access.api, drivers, assets, machines.length === 0),
  ]);
  const sidecars = [
    snapshotControllerProcess(site, accounts),
    ...drivers.flatMap((driver) => sidecarProcesses(site, driver, socketOf(site.folders.state, driver), accounts)),
  ];
  await startAll(sidecars);
  return [...controllers, ...csiDrivers, ...sidecars];
}

async function startDrivers(
  site: Site,
  drivers: readonly DriverOptions[],
  assets: Promise<Assets>,
  machines: readonly Machine[],
): Promise<readonly ManagedProcess[]> {
  const files = await assets;
  const processes = drivers.flatMap((driver) => driverProcesses(site, driver, files, machines));
  await startAll(processes);
  return processes;
}

/** The snapshot API first: a VolumeSnapshotClass can only be made once its kind is served. */
async function furnish(
  api: Api,
  drivers: readonly DriverOptions[],
  assets: Promise<Assets>,
  paperNode: boolean,
): Promise<void> {
  await applyAll(api, await readManifests((await assets).snapshotCrds));
  // Each kind by itself: the API server takes them up one after the other.
  for (const kind of ['volumesnapshotclasses', 'volumesnapshotcontents', 'volumesnapshots']) {
    await until(`${kind} to be served`, () => api.get(`/apis/snapshot.storage.k8s.io/v1/${kind}`));
  }
  await applyAll(api, [...(paperNode ? nodeManifests(drivers) : []), ...drivers.flatMap(driverManifests)]);
  if (paperNode) await api.apply(`${pathOfManifest(nodeStatus)}/status`, nodeStatus);
}

/** Each sidecar speaks as itself and may do what it needs, as in a real cluster. */
async function createAccounts(access: ClusterAccess): Promise<SidecarAccounts> {
  const names = Object.keys(sidecarRules) as SidecarName[];
  const made = names.map(async (name) => {
    await applyAll(access.api, accountObjects(name, sidecarRules[name]));
    return [name, await access.serviceAccountKubeconfig(sidecarNamespace, name)] as const;
  });
  return new Map(await Promise.all(made));
}
