import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { User } from './users.ts';

export interface KubectlOptions {
  /** Default `admin`. */
  readonly user?: User;
  /** Path of another kubeconfig, for instance a service account's; then `user` is not looked at. */
  readonly kubeconfig?: string;
  /** Given to it on stdin, for `-f -`. */
  readonly input?: string;
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs kubectl to its end. Its cache lies in `home`, never in the user's own home folder. */
export async function runKubectl(
  program: string,
  args: readonly string[],
  options: { readonly kubeconfig: string; readonly home: string; readonly input?: string },
): Promise<Finished> {
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], KUBECONFIG: options.kubeconfig, HOME: options.home },
  });
  // It may have ended without reading all; its exit code and stderr say why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const code = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? -1));
  });
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), code]);
  return { code: status, stdout, stderr };
}
