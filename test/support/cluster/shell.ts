import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import type { Cluster } from './index.ts';

/** What a command line gave, both outputs in one. */
export interface Said {
  readonly code: number;
  readonly output: string;
}

/** Runs a line as an administrator would type it, with kubectl on the path, in the folder where the audit log is. */
export async function shell(cluster: Pick<Cluster, 'address' | 'kubeconfig'>, line: string): Promise<Said> {
  const { kubectl, folder } = cluster.address;
  const env = { PATH: `${dirname(kubectl)}:/usr/bin:/bin`, KUBECONFIG: cluster.kubeconfig('admin'), HOME: folder };
  return await new Promise((resolve) => {
    execFile('/bin/sh', ['-c', line], { env, cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, output: stdout + stderr });
    });
  });
}
