import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../cluster/index.ts';
import type { Runner } from '../webhook.ts';
import type { BuiltImage } from './build.ts';
import { container, type User } from './container.ts';

/** Where the kubelet puts the files of a pod's service account. */
const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Runs a program out of the image, as near to its pod as one comes without a node: in a container, with a pod's credentials. */
export function podOf(cluster: Cluster, image: BuiltImage, program: string, user?: User): Runner {
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
      name,
      folder: cluster.address.folder,
      args: [`/app/${program}.mjs`, ...flags],
      env,
      mounts: [{ source, destination: accountFolder }],
      ...(user === undefined ? {} : { user }),
    });
    return await cluster.run(name, command, args, ready === undefined ? {} : { ready });
  };
}
