import { type Cluster, type ManagedProcess, until } from '../support/cluster/index.ts';
import { installController, startController } from '../support/controller.ts';
import type { BuiltImage } from '../support/image/index.ts';
import { podOf } from '../support/image/pod.ts';
import { installWebhook, type Runner, startWebhook } from '../support/webhook.ts';
import { type Benched, benched } from './benched.ts';
import { cpuOf } from './proc.ts';

/** Our two programs beside a cluster, as an installation runs them: each with keys and certificates that it looks after itself. */

/** What both need, and their stamp keys, which they make together, once. */
export async function installPrograms(cluster: Cluster, image: BuiltImage): Promise<void> {
  await installWebhook(cluster);
  await installController(cluster);
  const started = await Promise.all(
    benched.map(async (program) => await startProgram(cluster, program, podOf(cluster, image, `/app/${program}.mjs`))),
  );
  await Promise.all(started.map(async (process) => await process.kill('SIGTERM')));
}

/** @returns when it is ready; the controller, when it leads. */
export async function startProgram(cluster: Cluster, program: Benched, runner: Runner): Promise<ManagedProcess> {
  const options = { managedKeys: true, runner };
  const started =
    program === 'webhook' ? startWebhook(cluster, { ...options, selfSigned: true }) : startController(cluster, options);
  return (await started).process;
}

/** @returns when it has used less than 30 ms of CPU within a second. */
export async function idle(pid: number): Promise<void> {
  let before = cpuOf(pid);
  const look = (): boolean => {
    const now = cpuOf(pid);
    const quiet = now - before < 30;
    before = now;
    return quiet;
  };
  // The first look has no second before it.
  let looks = 0;
  await until('it to be idle', () => look() && (looks += 1) > 1, { interval: 1000 });
}
