import type { SidecarName } from './binaries.ts';
import { can, type DriverOptions } from './drivers.ts';
import { createProcess, type ManagedProcess } from './process.ts';
import { logFileOf, type Site } from './site.ts';

/** Kubeconfig of each sidecar's own service account. */
export type SidecarAccounts = ReadonlyMap<SidecarName, string>;

const common = [
  '--leader-election=false',
  // What fails is tried again soon: tests let things fail on purpose.
  '--retry-interval-start=200ms',
  '--retry-interval-max=5s',
  '--kube-api-qps=1000',
  '--kube-api-burst=2000',
];

/**
 * A snapshot that is deleted, or cannot be told about, while the driver takes it: the sidecar looks at it once more when it is taken, and
 * where its own picture of it is not the newest at that moment it looks away for good, for it does not listen to its own writes. Only the
 * resync finds it again, every 15 minutes by default. The snapshot controller is the same: a content that becomes ready while its picture of it is
 * not the newest, as when the API server has just come back, leaves the snapshot unready until then.
 */
const resync = '--resync-period=5s';

/** A claim that is deleted while it is restored leaves a finalizer on the snapshot, for 5 minutes by default. */
const sweep = '--snapshot-orphan-sweep-interval=5s';

/** Those that the driver's capabilities call for; a sidecar whose feature is missing would only end at once. */
export function sidecarProcesses(
  site: Site,
  driver: DriverOptions,
  socket: string,
  accounts: SidecarAccounts,
): readonly ManagedProcess[] {
  const sidecar = (name: SidecarName, ...args: readonly string[]): ManagedProcess =>
    sidecarProcess(site, name, `${name}.${driver.name}`, accounts, [`--csi-address=${socket}`, ...args]);
  return [
    sidecar('csi-provisioner', '--extra-create-metadata', '--default-fstype=ext4', sweep),
    ...(can(driver, 'CREATE_DELETE_SNAPSHOT') ? [sidecar('csi-snapshotter', '--extra-create-metadata', resync)] : []),
    ...(can(driver, 'EXPAND_VOLUME') ? [sidecar('csi-resizer')] : []),
  ];
}

/** One for the whole cluster, whatever drivers it has. */
export function snapshotControllerProcess(site: Site, accounts: SidecarAccounts): ManagedProcess {
  return sidecarProcess(site, 'snapshot-controller', 'snapshot-controller', accounts, [resync]);
}

function sidecarProcess(
  site: Site,
  program: SidecarName,
  name: string,
  accounts: SidecarAccounts,
  args: readonly string[],
): ManagedProcess {
  const kubeconfig = accounts.get(program);
  if (kubeconfig === undefined) throw new Error(`no service account for ${program}`);
  return createProcess({
    name,
    cluster: site.id,
    onDeath: site.onDeath,
    command: site.binaries(program),
    logFile: logFileOf(site, name),
    args: [`--kubeconfig=${kubeconfig}`, ...args, ...common],
  });
}
