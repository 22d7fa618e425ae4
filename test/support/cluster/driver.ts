import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Assets } from './assets.ts';
import { csiNameOf, type DriverOptions, isOn, nodeName } from './drivers.ts';
import { registryOf } from './node/kubelet.ts';
import type { Machine } from './node/machine.ts';
import { accepts, createProcess, type ManagedProcess } from './process.ts';
import { logFileOf, type Site } from './site.ts';

const program = fileURLToPath(new URL('../csi/main.ts', import.meta.url));

/** The driver's Unix socket; short, as a socket's name may have 107 bytes only. The sidecars speak to the one without a node in its name. */
export const socketOf = (state: string, driver: DriverOptions): string => join(state, `${driver.name}.sock`);

/** Each driver has a folder of its own in the pool, as two storage systems would. */
export const poolOf = (state: string, shortName: string): string => join(state, 'pool', shortName);

/** File in which tests order faults; see test/support/csi/control.ts. */
export const faultsFileOf = (state: string, shortName: string): string => join(state, `${shortName}.faults.json`);

/** One process for each node that has the driver, ready when it accepts connections; the first one also does the controller's part. */
export function driverProcesses(
  site: Site,
  driver: DriverOptions,
  assets: Assets,
  machines: readonly Machine[],
): readonly ManagedProcess[] {
  if (machines.length === 0) return [driverProcess(site, driver, assets, nodeName)];
  const having = machines.filter(({ name }) => isOn(name, driver));
  return having.map((machine, index) =>
    driverProcess(site, driver, assets, machine.name, machine, index === 0 ? '' : `.${machine.name}`),
  );
}

function driverProcess(
  site: Site,
  driver: DriverOptions,
  { csiProto, registrationProto }: Assets,
  node: string,
  machine?: Machine,
  suffix = '',
): ManagedProcess {
  const { state } = site.folders;
  const name = `csi-driver.${driver.name}${suffix}`;
  const endpoint = socketOf(state, { name: `${driver.name}${suffix}` });
  const args = [
    program,
    `--endpoint=${endpoint}`,
    `--name=${csiNameOf(driver)}`,
    `--pool=${poolOf(state, driver.name)}`,
    `--node=${node}`,
    `--proto=${csiProto}`,
    `--faults=${faultsFileOf(state, driver.name)}`,
    `--without=${(driver.without ?? []).join(',')}`,
    ...(driver.topology === true || driver.node !== undefined ? ['--topology'] : []),
    ...(machine === undefined ? [] : registrationArguments(machine, driver, registrationProto)),
  ];
  return createProcess({
    name,
    cluster: site.id,
    onDeath: site.onDeath,
    logFile: logFileOf(site, name),
    ready: () => accepts(endpoint),
    // What it mounts has to be seen by the kubelet and the containers.
    ...(machine?.inside(process.execPath, args) ?? { command: process.execPath, args }),
  });
}

function registrationArguments(machine: Machine, driver: DriverOptions, proto: string): readonly string[] {
  const socket = join(registryOf(machine.folder), `${driver.name}.sock`);
  return [`--registration=${socket}`, `--registration-proto=${proto}`];
}
