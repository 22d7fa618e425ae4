import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The programs of the control plane; every name is also its file's. */
export const binaryNames = [
  'etcd',
  'kube-apiserver',
  'kubectl',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'csi-provisioner',
  'csi-snapshotter',
  'csi-resizer',
  'snapshot-controller',
] as const;

export type BinaryName = (typeof binaryNames)[number];
/** What a cluster without controllers takes. */
export const apiTier = ['etcd', 'kube-apiserver', 'kubectl'] as const satisfies readonly BinaryName[];

/** Those that run beside a CSI driver. */
export type SidecarName = Extract<
  BinaryName,
  'csi-provisioner' | 'csi-snapshotter' | 'csi-resizer' | 'snapshot-controller'
>;

/** Path of a program. @throws Error when it was not asked for. */
export type Binaries = (name: BinaryName) => string;

/** Those of the programs that a folder has, and their paths. */
export function binariesIn(folder: string): ReadonlyMap<BinaryName, string> {
  const paths = binaryNames.map((name) => [name, join(folder, name)] as const);
  return new Map(paths.filter(([, path]) => existsSync(path)));
}
