import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Tier } from './index.ts';

/** A process of its own that has a cluster, for tests of what happens to the cluster when the process ends. */
export interface Owner {
  readonly child: ChildProcess;
  /** Of its cluster. */
  readonly id: string;
}

/** Starts `main.ts`, as `make cluster` does. @returns when it has said how to reach the cluster. */
export async function startOwner(tier: Tier): Promise<Owner> {
  const program = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = spawn(process.execPath, [program, '--tier', tier], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const id = /export KUBECONFIG=.*\/(clonegate-[a-z0-9-]+)\//.exec(line)?.[1];
    if (id !== undefined) return { child, id };
  }
  throw new Error('it ended without saying how to reach it');
}
