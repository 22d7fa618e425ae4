import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterAccess } from '../access.ts';
import { csiNameOf, type DriverOptions, isOn } from '../drivers.ts';
import { applyAll, type Manifest } from '../manifest.ts';
import { type ManagedProcess, startAll } from '../process.ts';
import type { Site } from '../site.ts';
import { until } from '../until.ts';
import type { User } from '../users.ts';
import { containerdProcess, importArchive } from './containerd.ts';
import { gatewayProcesses } from './gateway.ts';
import { writeTestImages } from './images.ts';
import { kubeletProcess } from './kubelet.ts';
import type { Machine } from './machine.ts';
import { proxyProcess } from './proxy.ts';

/** The container runtimes, with the tests' own images; needs no API server. */
export async function startRuntimes(site: Site, machines: readonly Machine[]): Promise<readonly ManagedProcess[]> {
  if (machines.length === 0) return [];
  const images = join(site.folders.state, 'images');
  mkdirSync(images);
  const runtimes = machines.map((machine) => containerdProcess(site, machine));
  const [archive] = await Promise.all([writeTestImages(images), startAll(runtimes)]);
  await Promise.all(machines.map(({ folder }) => importArchive(folder, archive)));
  return runtimes;
}

/** What makes nodes of machines, once there is an API server. */
export async function startNodes(
  site: Site,
  machines: readonly Machine[],
  access: ClusterAccess,
): Promise<readonly ManagedProcess[]> {
  const [first] = machines;
  if (first === undefined) return [];
  const { endpoint } = access.address;
  const gateways = gatewayProcesses(site, endpoint, first);
  await Promise.all([startAll(gateways), applyAll(access.api, [apiServerMayAskKubelets])]);
  const nodes = machines.flatMap((machine) => [
    kubeletProcess(site, machine, { kubeconfig: access.kubeconfig(machine.name as User), endpoint, api: access.api }),
    proxyProcess(site, machine, access.kubeconfig('kube-proxy')),
  ]);
  await startAll(nodes);
  return [...gateways, ...nodes];
}

/** By the name that stands in the certificate that it shows. */
const apiServerMayAskKubelets: Manifest = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'kube-apiserver-kubelet' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'kube-apiserver' }],
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' },
};

interface Node {
  readonly spec: { readonly taints?: readonly object[] };
}

interface CsiNode {
  readonly spec: { readonly drivers: readonly { readonly name: string }[] | null };
}

/** Until pods may come and the kubelets know all drivers. */
export async function nodesAreUsable(
  { api }: ClusterAccess,
  machines: readonly Machine[],
  drivers: readonly DriverOptions[],
): Promise<void> {
  const usable = async ({ name }: Machine): Promise<boolean> => {
    const { spec: node } = await api.get<Node>(`/api/v1/nodes/${name}`);
    const { spec: csi } = await api.get<CsiNode>(`/apis/storage.k8s.io/v1/csinodes/${name}`);
    const wanted = drivers.filter((driver) => isOn(name, driver)).map(csiNameOf);
    return node.taints === undefined && wanted.every((driver) => csi.drivers?.some((known) => known.name === driver));
  };
  await Promise.all(machines.map((machine) => until(`${machine.name} to be usable`, () => usable(machine))));
}
