import { join } from 'node:path';
import type { Api } from './api.ts';
import { createProcess, type ManagedProcess } from './process.ts';
import { logFileOf, type Site, serviceAccountKeyFile } from './site.ts';
import type { Endpoint, User } from './users.ts';

const kubeconfigOf = (site: Site, user: User): string => join(site.folders.state, 'users', user, 'kubeconfig');

/** Room enough that no client limit of theirs shows up in what tests measure. */
const unhurried = ['--kube-api-qps=1000', '--kube-api-burst=2000'];

/** Ready when it has made the default namespace's service account, which pods cannot do without. */
export function controllerManagerProcess(site: Site, endpoint: Endpoint, api: Api): ManagedProcess {
  return createProcess({
    name: 'kube-controller-manager',
    cluster: site.id,
    onDeath: site.onDeath,
    command: site.binaries('kube-controller-manager'),
    logFile: logFileOf(site, 'kube-controller-manager'),
    ready: async () => (await api.get('/api/v1/namespaces/default/serviceaccounts/default')) !== undefined,
    args: [
      `--kubeconfig=${kubeconfigOf(site, 'kube-controller-manager')}`,
      '--use-service-account-credentials=true',
      `--service-account-private-key-file=${serviceAccountKeyFile(site)}`,
      `--root-ca-file=${endpoint.caFile}`,
      '--leader-elect=false',
      // No port of its own: nobody asks it.
      '--secure-port=0',
      // A node on paper never reports, which these two would punish.
      `--controllers=*${site.nodes > 0 ? '' : ',-node-lifecycle-controller,-pod-garbage-collector-controller'}`,
      // A real one that is lost is found so after 20 s rather than 50.
      '--node-monitor-grace-period=20s',
      '--node-monitor-period=2s',
      '--pvclaimbinder-sync-period=5s',
      ...unhurried,
    ],
  });
}

export function schedulerProcess(site: Site): ManagedProcess {
  return createProcess({
    name: 'kube-scheduler',
    cluster: site.id,
    onDeath: site.onDeath,
    command: site.binaries('kube-scheduler'),
    logFile: logFileOf(site, 'kube-scheduler'),
    args: [
      `--kubeconfig=${kubeconfigOf(site, 'kube-scheduler')}`,
      '--leader-elect=false',
      '--secure-port=0',
      ...unhurried,
    ],
  });
}
