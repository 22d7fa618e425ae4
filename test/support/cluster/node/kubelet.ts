import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Api } from '../api.ts';
import { createProcess, type ManagedProcess } from '../process.ts';
import { logFileOf, type Site } from '../site.ts';
import type { Endpoint } from '../users.ts';
import { containerdSocket } from './containerd.ts';
import type { Machine } from './machine.ts';

interface NodeStatus {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Folder in which the kubelet looks for CSI drivers. Short: a socket's name may have 107 bytes only. */
export const registryOf = (machineFolder: string): string => join(machineFolder, 'kubelet', 'plugins_registry');

/** Ready when the API server says that the node is. */
export function kubeletProcess(
  site: Site,
  machine: Machine,
  { kubeconfig, endpoint, api }: { readonly kubeconfig: string; readonly endpoint: Endpoint; readonly api: Api },
): ManagedProcess {
  const name = `kubelet.${machine.name}`;
  const root = join(machine.folder, 'kubelet');
  mkdirSync(root, { recursive: true });
  const config = join(machine.folder, 'kubelet.json');
  writeFileSync(config, JSON.stringify(kubeletConfig(machine, endpoint), null, 2));
  const args = [
    `--config=${config}`,
    `--kubeconfig=${kubeconfig}`,
    `--root-dir=${root}`,
    `--cert-dir=${join(machine.folder, 'pki')}`,
    `--hostname-override=${machine.name}`,
    `--node-ip=${machine.address}`,
  ];
  return createProcess({
    name,
    cluster: site.id,
    onDeath: site.onDeath,
    logFile: logFileOf(site, name),
    ready: async () => isReady(await api.get<NodeStatus>(`/api/v1/nodes/${machine.name}`)),
    ...machine.inside(site.binaries('kubelet'), args),
  });
}

function isReady({ status }: NodeStatus): boolean {
  return status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;
}

function kubeletConfig(machine: Machine, endpoint: Endpoint): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: machine.address,
    readOnlyPort: 0,
    healthzBindAddress: '127.0.0.1',
    // The API server shows the certificate that it also serves with; who else asks has a token.
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: endpoint.caFile },
    },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: `unix://${containerdSocket(machine.folder)}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${machine.cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    // Lowering one's own takes CAP_SYS_RESOURCE.
    oomScoreAdj: 0,
    resolvConf: '',
    podLogsDir: join(machine.folder, 'logs'),
    volumePluginDir: join(machine.folder, 'volumeplugins'),
    // How soon the kubelet sees what no event tells it: above all that a claim has grown.
    syncFrequency: '3s',
    nodeStatusUpdateFrequency: '5s',
    // Renewed every quarter of it; the node lifecycle controller has twice of it as patience.
    nodeLeaseDurationSeconds: 10,
    // The machine's disk is not ours to tidy, nor to judge: neither images nor pods go because somebody else has filled it.
    imageGCHighThresholdPercent: 100,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  };
}
