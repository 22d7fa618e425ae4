import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyKeys, copySockets, exportCapabilities, podAddressVariable } from '../../shared/api/copy.ts';
import { run } from './csi/command.ts';
import type { Pod, PodSite, Running, StartOptions, Volume } from './mover.ts';

/** What stands for the two pods of a copy by two: each has one of the volumes, and both have the key. The network is the loopback device. */
export interface Pair {
  readonly exporter: Pod;
  readonly importer: Pod;
  /** Of the exporter. */
  readonly address: string;
  /** What the importer is told of all this. */
  readonly args: readonly string[];
}

export async function makePair(site: PodSite, source: Volume, destination: Volume): Promise<Pair> {
  const exporter = await site.pod(source, destination, ['source']);
  const importer = await site.pod(source, destination, ['destination']);
  const key = randomBytes(32);
  for (const pod of [exporter, importer]) await giveKey(pod, key);
  await giveRoom(exporter);
  // Others may test on this machine as well, and the ports are always the same.
  const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  return { exporter, importer, address, args: ['--role=import', `--peer=${address}`] };
}

/** As a Secret with defaultMode 0440 and fsGroup 107 is mounted. */
export async function giveKey({ root }: Pod, key: Buffer): Promise<void> {
  const folder = join(root, copyKeys.folder);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, copyKeys.file), `${copyKeys.user}:${key.toString('hex')}\n`);
  await run('sh', '-c', 'chown 0:107 "$1"; chmod 440 "$1"', 'sh', join(folder, copyKeys.file));
}

/** As an emptyDir is for fsGroup 107. */
async function giveRoom({ root }: Pod): Promise<void> {
  const folder = join(root, copySockets);
  await mkdir(folder, { recursive: true });
  await run('sh', '-c', 'chown 0:107 "$1"; chmod 2777 "$1"', 'sh', folder);
}

/** Starts the exporter. The importer waits for it by itself. */
export function startExport(
  site: PodSite,
  { exporter, address }: Pair,
  args: readonly string[],
  options: StartOptions = {},
): Running {
  const env = { ...options.env, [podAddressVariable]: address };
  return site.start(exporter, ['--role=export', ...args], { ...options, env });
}

/** As the pod that hands out a tree has them. */
export const treeExporter: StartOptions = { capabilities: exportCapabilities };

/** Ends it as a kubelet does. @returns its exit code. */
export async function stop({ pid, ended }: Running): Promise<number | null> {
  process.kill(pid, 'SIGTERM');
  return (await ended).code;
}
