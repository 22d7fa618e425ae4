import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { csiNameOf, type DriverOptions, nodeName } from './drivers.ts';
import { accepts, createProcess, type ManagedProcess } from './process.ts';
import { logFileOf, type Site } from './site.ts';

const program = fileURLToPath(new URL('../csi/main.ts', import.meta.url));

/** The driver's Unix socket; short, as a socket's name may have 107 bytes only. */
export const socketOf = (state: string, driver: DriverOptions): string => join(state, `${driver.name}.sock`);

/** Each driver has a folder of its own in the pool, as two storage systems would. */
export const poolOf = (state: string, shortName: string): string => join(state, 'pool', shortName);

/** File in which tests order faults; see test/support/csi/control.ts. */
export const faultsFileOf = (state: string, shortName: string): string => join(state, `${shortName}.faults.json`);

/** The CSI driver, ready when it accepts connections. */
export function driverProcess(site: Site, driver: DriverOptions, csiProto: string): ManagedProcess {
  const { state } = site.folders;
  const name = `csi-driver.${driver.name}`;
  return createProcess({
    name,
    cluster: site.id,
    onDeath: site.onDeath,
    command: process.execPath,
    logFile: logFileOf(site, name),
    ready: () => accepts(socketOf(state, driver)),
    args: [
      program,
      `--endpoint=${socketOf(state, driver)}`,
      `--name=${csiNameOf(driver)}`,
      `--pool=${poolOf(state, driver.name)}`,
      `--node=${nodeName}`,
      `--proto=${csiProto}`,
      `--faults=${faultsFileOf(state, driver.name)}`,
      `--without=${(driver.without ?? []).join(',')}`,
      ...(driver.topology === true ? ['--topology'] : []),
    ],
  });
}
