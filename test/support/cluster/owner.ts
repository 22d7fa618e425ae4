import { type ChildProcess, spawn } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ClusterAddress } from './access.ts';
import type { Tier } from './index.ts';

/** A process of its own that has a cluster, for tests of what happens to the cluster when the process ends. */
export interface Owner {
  readonly child: ChildProcess;
  /** Of its cluster. */
  readonly id: string;
  readonly address: ClusterAddress;
}

/** Starts `main.ts`, as `make cluster` does. @returns when it has said how to reach the cluster. */
export async function startOwner(tier: Tier, nodes: 1 | 2 = 1): Promise<Owner> {
  const program = fileURLToPath(new URL('./main.ts', import.meta.url));
  const args = [program, '--tier', tier, '--nodes', String(nodes)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const line of createInterface({ input: child.stdout })) {
    said += `${line}\n`;
    const { port, kubeconfig, kubectl } = wayToReach.exec(said)?.groups ?? {};
    if (kubeconfig === undefined || kubectl === undefined) continue;
    const folder = dirname(dirname(dirname(kubeconfig)));
    const endpoint = { port: Number(port), caFile: join(folder, 'pki/ca.crt') };
    const id = basename(folder);
    const names = tier === 'node' ? ['node-1', 'node-2'].slice(0, nodes) : [];
    return { child, id, address: { id, folder, endpoint, kubectl, nodes: names } };
  }
  throw new Error('it ended without saying how to reach it');
}

const wayToReach =
  /up at https:\/\/127\.0\.0\.1:(?<port>\d+)\.[\s\S]*export KUBECONFIG=(?<kubeconfig>.*)\n[\s\S]*alias kubectl=(?<kubectl>.*)\n/;
