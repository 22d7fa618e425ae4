import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureAssets } from '../cluster/assets.ts';
import { startGuard } from '../cluster/guard.ts';
import { foldersOf, newId } from '../cluster/identity.ts';
import { createPool, type StoragePool } from '../cluster/pool.ts';
import { createProcess, type ManagedProcess } from '../cluster/process.ts';
import { type CsiClient, createCsiClient } from './client.ts';
import { createFaultControl, type FaultControl } from './control.ts';
import type { Removable } from './features.ts';
import { answers } from './socket.ts';

/** A folder in which drivers run alone, without a cluster; it is left clean in whatever way this process ends. */
export interface Workshop {
  readonly id: string;
  readonly folder: string;
  readonly storage: StoragePool;
  /** Path of csi.proto. */
  readonly proto: string;
  /** Ends the drivers, unmounts, detaches and removes everything. */
  close(): Promise<void>;
}

/** @param log told where the pool lies, and why there when it cannot be XFS. */
export async function openWorkshop(log: (line: string) => void): Promise<Workshop> {
  const id = newId('csi');
  const { csiProto: proto } = await ensureAssets();
  const guard = startGuard(id);
  const close = () => guard.release();
  try {
    const folder = foldersOf(id).state;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return { id, folder, proto, storage: await createPool({ id, state: folder }, log), close };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface DriverChoice {
  /** Short name, unique in the workshop; the driver has a pool of its own by this name. */
  readonly name: string;
  readonly without?: readonly Removable[];
  readonly topology?: boolean;
  /** Milliseconds until it must answer. */
  readonly timeout?: number;
}

export interface Driver {
  readonly endpoint: string;
  readonly pool: string;
  readonly client: CsiClient;
  readonly faults: FaultControl;
  readonly process: ManagedProcess;
}

/** Starts the program as a cluster would and waits until it answers. */
export async function startDriver(workshop: Workshop, choice: DriverChoice): Promise<Driver> {
  const endpoint = join(workshop.folder, `${choice.name}.sock`);
  const pool = join(workshop.storage.folder, choice.name);
  const faultsFile = join(workshop.folder, `${choice.name}.faults.json`);
  const process = createProcess({
    name: `csi driver ${choice.name}`,
    command: globalThis.process.execPath,
    args: driverArguments(workshop, choice, { endpoint, pool, faultsFile }),
    logFile: join(workshop.folder, `${choice.name}.log`),
    cluster: workshop.id,
    ready: () => answers(endpoint),
  });
  await process.start();
  const client = await createCsiClient(endpoint, workshop.proto);
  return { endpoint, pool, client, faults: createFaultControl(faultsFile), process };
}

interface Paths {
  readonly endpoint: string;
  readonly pool: string;
  readonly faultsFile: string;
}

function driverArguments({ proto }: Workshop, choice: DriverChoice, paths: Paths): readonly string[] {
  const { name, without = [], topology = false } = choice;
  const program = fileURLToPath(new URL('./main.ts', import.meta.url));
  const always = {
    endpoint: paths.endpoint,
    name: `${name}.csi.clonegate.test`,
    node: 'node-1',
    pool: paths.pool,
    proto,
    faults: paths.faultsFile,
  };
  const flags = Object.entries(always).map(([flag, value]) => `--${flag}=${value}`);
  if (without.length > 0) flags.push(`--without=${without.join(',')}`);
  if (topology) flags.push('--topology');
  return [program, ...flags];
}
