import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The programs of the control plane; every name is also its file's. */
export const binaryNames = [
  'etcd',
  'kube-apiserver',
  'kubectl',
  'kube-controller-manager',
  'kube-scheduler',
  'csi-provisioner',
  'csi-snapshotter',
  'csi-resizer',
  'snapshot-controller',
] as const;

export type BinaryName = (typeof binaryNames)[number];
/** Path of each program. */
export type Binaries = Readonly<Record<BinaryName, string>>;

/** Those of the programs that a folder has. */
export function binariesIn(folder: string): Partial<Binaries> {
  const found = binaryNames.map((name) => [name, join(folder, name)] as const).filter(([, path]) => existsSync(path));
  return Object.fromEntries(found);
}
