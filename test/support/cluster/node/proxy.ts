import { createProcess, type ManagedProcess } from '../process.ts';
import { logFileOf, type Site } from '../site.ts';
import type { Machine } from './machine.ts';

/** Makes the addresses of Services work on one machine, for its pods as for the API server's calls to webhooks. */
export function proxyProcess(site: Site, machine: Machine, kubeconfig: string): ManagedProcess {
  const name = `kube-proxy.${machine.name}`;
  return createProcess({
    name,
    cluster: site.id,
    onDeath: site.onDeath,
    logFile: logFileOf(site, name),
    ...machine.inside(site.binaries('kube-proxy'), [
      `--kubeconfig=${kubeconfig}`,
      `--hostname-override=${machine.name}`,
      '--proxy-mode=iptables',
      '--oom-score-adj=0',
      // Limits of the whole kernel, which are not ours to set.
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-established=0s',
      '--conntrack-tcp-timeout-close-wait=0s',
      '--healthz-bind-address=127.0.0.1:10256',
      '--metrics-bind-address=127.0.0.1:10249',
    ]),
  });
}
