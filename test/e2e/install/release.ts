import { type AuditEvent, type ClusterAccess, type Finished, until } from '../../support/cluster/index.ts';
import type { Major } from '../../support/helm/binaries.ts';
import { chartFolder, releaseNamespace, runHelm, valueArgs } from '../../support/helm/chart.ts';

/** The chart as a release, by helm's own commands. */
export class Release {
  readonly #cluster: Pick<ClusterAccess, 'kubeconfig'>;
  readonly #set: readonly string[];
  /** Of both majors, in turn. */
  helm: Major = 'helm4';

  constructor(cluster: Pick<ClusterAccess, 'kubeconfig'>, set: readonly string[]) {
    this.#cluster = cluster;
    this.#set = set;
  }

  /** @returns what helm prints. @throws Error with what it says. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const line = [command, ...args, `--namespace=${releaseNamespace}`];
    const { code, stdout, stderr } = await runHelm(line, this.helm, { KUBECONFIG: this.#cluster.kubeconfig('admin') });
    if (code !== 0) throw new Error(`${this.helm} ${line.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  async install(...set: readonly string[]): Promise<string> {
    const values = valueArgs({ set: [...this.#set, ...set] });
    return await this.run(
      'install',
      'clonegate',
      chartFolder,
      '--create-namespace',
      '--wait',
      '--timeout=10m',
      ...values,
    );
  }

  async upgrade(...set: readonly string[]): Promise<string> {
    const values = valueArgs({ set: [...this.#set, ...set] });
    return await this.run('upgrade', 'clonegate', chartFolder, '--wait', '--timeout=10m', ...values);
  }

  /** The text of a second render with the values of the first. */
  async template(...set: readonly string[]): Promise<string> {
    return await this.run(
      'template',
      'clonegate',
      chartFolder,
      '--no-hooks',
      ...valueArgs({ set: [...this.#set, ...set] }),
    );
  }
}

/**
 * Does it anew while the API server did not come through to the webhook: certificates of seconds are over before the next one is there when a
 * machine stops the one or the other for a while.
 */
export async function called(act: () => Promise<Finished>): Promise<Finished> {
  return await until('the webhook to be reached', async () => {
    const finished = await act();
    return !finished.stderr.includes('failed calling webhook') && finished;
  });
}

/** A dry run of a clone by the admin, until it comes back as wanted. */
export async function untilCalled(cluster: Pick<ClusterAccess, 'kubectl'>): Promise<void> {
  await until('the webhook to be called', async () => {
    const { stdout } = await cluster.kubectl(['create', '--dry-run=server', '-o', 'json', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'cdi.kubevirt.io/v1beta1',
        kind: 'DataVolume',
        metadata: { name: 'probe', namespace: 'default' },
        spec: { source: { pvc: { namespace: 'default', name: 'probed' } }, storage: {} },
      }),
    });
    return stdout.includes('clonegate.io/stamp');
  });
}

/**
 * Helm takes rights away before it takes away the programs: what these ask for until they have ended is refused, and rightly so.
 * @returns tells what was asked for between an uninstall and the next install, if any.
 */
export function isUninstalled(
  events: readonly AuditEvent[],
  accounts: readonly string[],
): (event: AuditEvent) => boolean {
  const times = (verb: string, isMeant: (name: string) => boolean): readonly string[] =>
    events.flatMap(({ verb: did, objectRef: at, requestReceivedTimestamp: when }) => {
      const isBinding = at?.resource === 'rolebindings' && at.namespace === releaseNamespace;
      return did === verb && isBinding && isMeant(at.name ?? '') ? [when] : [];
    });
  const [gone] = times('delete', (name) => accounts.includes(name)).toSorted();
  const back = times('create', () => true)
    .toSorted()
    .find((when) => gone !== undefined && when > gone);
  return ({ requestReceivedTimestamp: when }) =>
    gone !== undefined && gone <= when && (back === undefined || when <= back);
}
