import { type ChildProcess, spawn } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { until } from './cluster/until.ts';

/**
 * A process that keeps a network namespace of its own, with nothing in it but a loopback device that is down; the namespace ends with it.
 * @param env marks it as somebody's who ends what he has marked.
 */
export async function keepNetwork(env: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const keeper = spawn('unshare', ['--net', 'sleep', 'infinity'], { env: { ...process.env, ...env }, stdio: 'ignore' });
  keeper.unref();
  const outside = await readlink('/proc/self/ns/net');
  await until('a network to be there', async () => (await readlink(`/proc/${keeper.pid}/ns/net`)) !== outside);
  return keeper;
}

/** Arguments for nsenter, before the program. */
export function withinNetwork({ pid }: ChildProcess): readonly string[] {
  return [`--net=/proc/${pid}/ns/net`, '--'];
}
