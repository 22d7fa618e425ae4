import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { generateStampKeys, type StampKeyFiles } from '../../shared/trust/keys.ts';
import type { ClusterAccess, ManagedProcess } from './cluster/index.ts';
import { freePort } from './cluster/ports.ts';
import { applyRights } from './helm/apply.ts';
import { releaseNamespace } from './helm/chart.ts';
import type { Runner } from './webhook.ts';

/** The real controller as a process beside a cluster, under its own ServiceAccount and with the rights that its manifest gives it. */

export interface ControllerOptions {
  /** The webhook's, where one runs; else new ones. */
  readonly keys?: StampKeyFiles;
  /** Looks after its keys itself; the `keys` of what runs are not used then. */
  readonly managedKeys?: boolean;
  /** Serves these alone, with Roles in those of them that exist. */
  readonly namespaces?: readonly string[];
  /** Further flags, for instance `--lease-duration=2s`. */
  readonly args?: readonly string[];
  /** Name among the cluster's processes; default `clonegate-controller`. */
  readonly name?: string;
  /** Another one leads already: it is started when it is ready to take over. */
  readonly standsBy?: boolean;
  /** Module that is loaded into it before its own program. */
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Makes the kubeconfig that it is given from the one of its ServiceAccount. */
  readonly through?: (kubeconfig: string) => string;
  /** Runs it in another way than from its sources, given all its flags but the kubeconfig. */
  readonly runner?: Runner;
}

export interface RunningController {
  readonly process: ManagedProcess;
  readonly keys: StampKeyFiles;
  /** Serves /livez, /readyz and /metrics. */
  readonly opsUrl: string;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const namespace = releaseNamespace;
const account = 'clonegate-controller';

/** Installs what the controller needs and starts it. @returns when it leads. */
export async function startController(
  cluster: ClusterAccess,
  options: ControllerOptions = {},
): Promise<RunningController> {
  const { namespaces = [] } = options;
  await installController(cluster, namespaces);
  const keys = options.keys ?? (await generateStampKeys());
  const name = options.name ?? account;
  const port = await freePort();
  const opsUrl = `http://127.0.0.1:${port}`;
  const flags = [
    `--namespace=${namespace}`,
    `--pod-name=${name}`,
    '--ops-host=127.0.0.1',
    `--ops-port=${port}`,
    ...(options.managedKeys === true
      ? ['--stamp-keys=managed']
      : writeKeys(join(cluster.address.folder, `${name}-keys`), keys)),
    ...(namespaces.length === 0 ? [] : [`--namespaces=${namespaces.join(',')}`]),
    ...(options.args ?? []),
  ];
  const ready = (): Promise<boolean> => (options.standsBy === true ? isReady(opsUrl) : leads(opsUrl));
  const fromSources: Runner = async () => {
    const kubeconfig = await cluster.serviceAccountKubeconfig(namespace, account);
    const args = [
      ...(options.preload === undefined ? [] : [`--import=${options.preload}`]),
      join(root, 'controller/main.ts'),
      `--kubeconfig=${options.through === undefined ? kubeconfig : options.through(kubeconfig)}`,
      ...flags,
    ];
    const env = options.env === undefined ? {} : { env: options.env };
    return await cluster.run(name, process.execPath, args, { ...env, ready });
  };
  const program = await (options.runner ?? fromSources)({ name, account, flags, ready });
  return { process: program, keys, opsUrl };
}

/** Namespace, definitions, ServiceAccounts and rights; again and again without harm. */
export async function installController(
  cluster: Pick<ClusterAccess, 'kubectl'>,
  namespaces: readonly string[] = [],
): Promise<void> {
  await applyRights(cluster, namespaces);
}

/** @returns the flags that name the files. */
function writeKeys(folder: string, { stampPublicKeys, identityKey }: StampKeyFiles): readonly string[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const write = (file: string, text: string): string => {
    const path = join(folder, file);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  return [
    `--stamp-public-keys-file=${write('stamp-public-keys.json', stampPublicKeys)}`,
    `--identity-key-file=${write('identity-key.json', identityKey)}`,
  ];
}

async function isReady(opsUrl: string): Promise<boolean> {
  const { statusCode, body } = await request(`${opsUrl}/readyz`);
  await body.dump();
  return statusCode === 200;
}

/** Ready as soon as it leads: a replica that only stands by is ready too, but does nothing yet. */
async function leads(opsUrl: string): Promise<boolean> {
  const { body } = await request(`${opsUrl}/metrics`);
  return /^leader_election_master_status\{[^}]*\} 1$/m.test(await body.text());
}
