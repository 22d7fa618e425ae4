import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attach, type ClusterAccess } from './access.ts';
import { type Site, startControlPlane } from './apiserver.ts';
import { binariesIn, type Binaries } from './binaries.ts';
import { foldersOf, newId } from './identity.ts';
import type { ManagedProcess } from './process.ts';

export { attach, type ClusterAccess, type ClusterAddress, type ServiceAccountMount } from './access.ts';
export type { AuditEvent } from './audit.ts';
export type { Finished, KubectlOptions } from './kubectl.ts';
export type { ManagedProcess } from './process.ts';
export { until } from './until.ts';
export type { User } from './users.ts';

export interface ClusterOptions {
  /** `api`: etcd and kube-apiserver. */
  readonly tier: 'api';
  /** Part of the temp folder's name; default `test`. */
  readonly name?: string;
  /** Told about each phase of the start. */
  readonly log?: (line: string) => void;
}

/** A cluster that this process has started, and so may break and stop. */
export interface Cluster extends ClusterAccess {
  readonly apiServer: ManagedProcess;
  /** Any of its processes by the name of its program. @throws Error when there is none. */
  process(name: string): ManagedProcess;
  /** Ends every process, unmounts, and removes every file. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a control plane of its own on loopback: free ports, a temp folder, nothing shared with any other. When this process ends,
 * in whatever way, the cluster goes too.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const id = newId(options.name ?? 'test');
  const watchdog = startWatchdog(id);
  try {
    const site: Site = { id, folders: foldersOf(id), binaries: findBinaries() };
    mkdirSync(join(site.folders.state, 'logs'), { recursive: true, mode: 0o700 });
    const { etcd, apiServer, endpoint } = await startControlPlane(site);
    const processes = [etcd, apiServer];
    const access = attach({ id, folder: site.folders.state, endpoint, kubectl: site.binaries.kubectl });
    return {
      ...access,
      apiServer,
      process: (name) => {
        const found = processes.find((process) => process.name === name);
        if (found === undefined)
          throw new Error(`no process ${name}; there are ${processes.map((p) => p.name).join(', ')}`);
        return found;
      },
      stop: async () => {
        await access.close();
        await watchdog();
      },
    };
  } catch (error) {
    await watchdog();
    throw error;
  }
}

/** Before the first file is made. @returns a function that lets it clean up and waits until it has. */
function startWatchdog(id: string): () => Promise<void> {
  const program = fileURLToPath(new URL('./watchdog.ts', import.meta.url));
  const child = spawn(process.execPath, [program, id], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
  const exited = once(child, 'exit');
  child.unref();
  return async () => {
    child.ref();
    child.stdin.end();
    const [code] = (await exited) as [number | null];
    if (code !== 0) throw new Error(`cleaning up after ${id} failed; what is left carries its name`);
  };
}

function findBinaries(): Binaries {
  return binariesIn(process.env['KUBEBUILDER_ASSETS'] ?? '/tmp/kbin') as Binaries;
}
