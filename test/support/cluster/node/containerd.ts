import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createProcess, type ManagedProcess } from '../process.ts';
import { logFileOf, type Site } from '../site.ts';
import { pauseImage } from './images.ts';
import type { Machine } from './machine.ts';
import { podGatewayOf, podNetworkOf } from './network.ts';

const run = promisify(execFile);

export const containerdSocket = (machineFolder: string): string => join(machineFolder, 'containerd.sock');

/** The container runtime of one machine, ready when it answers. */
export function containerdProcess(site: Site, machine: Machine): ManagedProcess {
  const name = `containerd.${machine.name}`;
  const config = join(machine.folder, 'containerd.toml');
  const network = join(machine.folder, 'cni');
  mkdirSync(network, { recursive: true });
  writeFileSync(join(network, '10-pods.conflist'), JSON.stringify(podNetwork(machine)));
  writeFileSync(config, containerdConfig(machine, network));
  return createProcess({
    name,
    cluster: site.id,
    onDeath: site.onDeath,
    logFile: logFileOf(site, name),
    ready: async () => (await ctr(machine.folder, ['version'])) !== '',
    ...machine.inside('containerd', ['--config', config]),
  });
}

/** Makes the images of an archive (of `docker save`, or an OCI layout in a tar file) known to the kubelet's half of containerd. */
export async function importArchive(machineFolder: string, archive: string): Promise<void> {
  await ctr(machineFolder, ['--namespace=k8s.io', 'images', 'import', archive]);
}

/** Takes an image away, as the kubelet does when disks fill up. */
export async function forgetImage(machineFolder: string, reference: string): Promise<void> {
  await ctr(machineFolder, ['--namespace=k8s.io', 'images', 'remove', '--sync', reference]);
}

async function ctr(machineFolder: string, args: readonly string[]): Promise<string> {
  return (await run('ctr', ['--address', containerdSocket(machineFolder), ...args])).stdout;
}

/** A bridge for the pods of this machine; the addresses that are given out are written down in its own /var. */
function podNetwork({ index }: Machine): object {
  const range = { subnet: podNetworkOf(index), rangeStart: `10.88.${index}.10`, gateway: podGatewayOf(index) };
  const ipam = { type: 'host-local', ranges: [[range]], routes: [{ dst: '0.0.0.0/0' }] };
  const bridge = { type: 'bridge', bridge: 'pods0', isGateway: true, hairpinMode: true, ipam };
  return { cniVersion: '0.4.0', name: 'pods', plugins: [bridge] };
}

/**
 * Root without CAP_SYS_RESOURCE, as in many a CI machine, may not lower oom_score_adj, and without `restrict_oom_score_adj` no pod would
 * start. `device_ownership_from_security_context` gives a block volume's device to the user of the pod, as KubeVirt asks of a node.
 */
function containerdConfig({ folder }: Machine, network: string): string {
  return `
version = 2
root = ${JSON.stringify(join(folder, 'containerd'))}
state = "/run/containerd"
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]
[grpc]
  address = ${JSON.stringify(containerdSocket(folder))}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  device_ownership_from_security_context = true
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = ${JSON.stringify(network)}
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}
