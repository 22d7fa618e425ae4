import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../cluster/index.ts';
import type { Runner } from '../webhook.ts';
import type { BuiltImage } from './build.ts';
import { type ContainerSpec, container } from './container.ts';

/** Where the kubelet puts the files of a pod's service account. */
const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

export type PodOptions = Pick<ContainerSpec, 'user' | 'env' | 'mounts' | 'withoutIpv6'>;

/**
 * Runs a program out of the image, as near to its pod as one comes without a node: in a container, with a pod's credentials.
 * @param main its main file in the image: `/app/webhook.mjs`.
 */
export function podOf(cluster: Cluster, image: BuiltImage, main: string, options: PodOptions = {}): Runner {
  return async ({ name, account, flags, ready }) => {
    const { folder, env } = await cluster.serviceAccountMount('clonegate-system', account);
    const source = join(cluster.address.folder, 'accounts', name);
    await mkdir(source, { recursive: true });
    for (const file of ['token', 'ca.crt', 'namespace']) {
      await copyFile(join(folder, file), join(source, file));
      // As in a pod that has no fsGroup: for every user in it.
      await chmod(join(source, file), 0o644);
    }
    const { command, args } = container(image, {
      ...options,
      name,
      folder: cluster.address.folder,
      args: [main, ...flags],
      env: { ...env, ...options.env },
      mounts: [{ source, destination: accountFolder }, ...(options.mounts ?? [])],
    });
    return await cluster.run(name, command, args, ready === undefined ? {} : { ready });
  };
}
