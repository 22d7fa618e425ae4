import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { type Issued, issueAuthority, issueServing } from '../../certs/issue.ts';
import { generateStampKeys, type StampKeyFiles } from '../../shared/trust/keys.ts';
import { type Cluster, type ManagedProcess, type RunOptions, until } from './cluster/index.ts';
import { freePort } from './cluster/ports.ts';
import { applyObjects, applyRights } from './helm/apply.ts';
import { type Rendered, releaseNamespace, renderChart } from './helm/chart.ts';

/**
 * The real webhook as a process beside a cluster: under its own ServiceAccount with the rights that its manifest gives it, with keys and a
 * certificate of its own, and called by the API server through the shipped configurations. Only the address differs from a cluster's: a
 * URL on loopback, because no Service leads out of the cluster here.
 */

export interface WebhookOptions {
  /** Of the process; default `clonegate-webhook`. */
  readonly name?: string;
  /** The controller's, where one runs already; else new ones. */
  readonly keys?: StampKeyFiles;
  /** Further flags, for instance `--log-level=debug`. */
  readonly args?: readonly string[];
  /** Another replica of this one: with its keys and authority, and without a word to the API server about it. */
  readonly replicaOf?: RunningWebhook;
  /** With an authority of its own instead of certificate files; the `ca` and `authority` of what runs are not used then. */
  readonly selfSigned?: boolean;
  /** Looks after its stamp keys itself; the `keys` of what runs are not used then. */
  readonly managedKeys?: boolean;
  /** Given its own address when it is ready, says at which the API server is to call it, for instance at a Service. */
  readonly calledAt?: (url: string) => string;
  /** Makes of its kubeconfig one that leads another way. @returns the path. */
  readonly through?: (kubeconfig: string) => string;
  /** Runs it in another way than from its sources, given all its flags but the kubeconfig. */
  readonly runner?: Runner;
  /** Serves these alone, and is called for these alone, with Roles in those of them that exist. */
  readonly namespaces?: readonly string[];
  /** Return as soon as the process runs, whether or not it does its work; nobody is told to call it. */
  readonly unready?: boolean;
}

/** What a {@link Runner} is to run. */
export interface Started extends Pick<RunOptions, 'ready'> {
  /** Among the cluster's processes. */
  readonly name: string;
  /** ServiceAccount, in `clonegate-system`. */
  readonly account: string;
  readonly flags: readonly string[];
}

/** Starts one of our programs beside a cluster. @returns when it is ready. */
export type Runner = (started: Started) => Promise<ManagedProcess>;

export interface RunningWebhook {
  readonly process: ManagedProcess;
  /** The controller needs their other halves. */
  readonly keys: StampKeyFiles;
  /** `https://127.0.0.1:PORT`, where /mutate and /validate are served. */
  readonly url: string;
  /** PEM of the authority that signed its certificate. */
  readonly ca: string;
  readonly authority: Issued;
  /** Serves /livez, /readyz and /metrics. */
  readonly opsUrl: string;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const namespace = releaseNamespace;
const account = 'clonegate-webhook';

/** Installs what the webhook needs, starts it, and has the API server call it. @returns when it is called. */
export async function startWebhook(cluster: Cluster, options: WebhookOptions = {}): Promise<RunningWebhook> {
  const { name = account, replicaOf, unready = false, namespaces = [] } = options;
  if (replicaOf === undefined) await installWebhook(cluster, namespaces);
  const keys = options.keys ?? replicaOf?.keys ?? (await generateStampKeys());
  const authority = replicaOf?.authority ?? issueAuthority({ commonName: 'clonegate', days: 2, now: Date.now() });
  const folder = join(cluster.address.folder, name);
  const [port, opsPort] = [await freePort(), await freePort()];
  const opsUrl = `http://127.0.0.1:${opsPort}`;
  const flags = [
    `--namespace=${namespace}`,
    `--pod-name=${name}`,
    '--host=127.0.0.1',
    `--port=${port}`,
    '--ops-host=127.0.0.1',
    `--ops-port=${opsPort}`,
    // Nobody has to be sent elsewhere.
    '--drain=0s',
    ...(options.selfSigned === true
      ? ['--certificates=selfSigned', '--certificate-names=127.0.0.1']
      : writeCertificate(folder, authority)),
    ...(options.managedKeys === true ? ['--stamp-keys=managed'] : writeKeys(folder, keys)),
    ...(namespaces.length === 0 ? [] : [`--namespaces=${namespaces.join(',')}`]),
    ...(options.args ?? []),
  ];
  const ready = unready ? {} : { ready: () => isReady(opsUrl) };
  const fromSources: Runner = async () => {
    const kubeconfig = await cluster.serviceAccountKubeconfig(namespace, account);
    const access = `--kubeconfig=${options.through?.(kubeconfig) ?? kubeconfig}`;
    return await cluster.run(name, process.execPath, [join(root, 'webhook/main.ts'), access, ...flags], ready);
  };
  const process_ = await (options.runner ?? fromSources)({ name, account, flags, ...ready });
  const url = `https://127.0.0.1:${port}`;
  const ca = authority.certificatePem;
  const trusted = options.selfSigned === true ? undefined : ca;
  if (replicaOf === undefined && !unready)
    await configure(cluster, { url: options.calledAt?.(url) ?? url, ca: trusted, opsUrl }, namespaces);
  return { process: process_, keys, url, ca, authority, opsUrl };
}

/** Namespace, definitions, ServiceAccounts and rights; again and again without harm. */
export async function installWebhook(
  cluster: Pick<Cluster, 'kubectl'>,
  namespaces: readonly string[] = [],
): Promise<void> {
  await applyRights(cluster, namespaces);
}

export interface Configuration extends Rendered {
  readonly webhooks: readonly {
    readonly name: string;
    readonly clientConfig: { readonly service: { readonly path: string } };
  }[];
}

/** The chart's configurations. */
export async function renderConfigurations(namespaces: readonly string[] = []): Promise<readonly Configuration[]> {
  const set = [`namespaces=json:${JSON.stringify(namespaces)}`];
  return (await renderChart({ only: ['webhook/configurations.yaml'], set })) as readonly Configuration[];
}

/** The most that there is: a machine may stop either program for seconds, and more than once within a call. */
const timeoutSeconds = 30;

/** Where the API server is to call it, whom to trust, if that is known, and where it tells that it is called. */
interface Called {
  readonly url: string;
  readonly ca: string | undefined;
  readonly opsUrl: string;
}

/** The same, with our address in them. @returns when the API server heeds both of them. */
async function configure(cluster: Cluster, called: Called, namespaces: readonly string[]): Promise<void> {
  const { url, ca, opsUrl } = called;
  const configurations = (await renderConfigurations(namespaces)).map((configuration) => ({
    ...configuration,
    webhooks: configuration.webhooks.map((webhook) => ({
      ...webhook,
      timeoutSeconds,
      clientConfig: {
        url: `${url}${webhook.clientConfig.service.path}`,
        ...(ca === undefined ? {} : { caBundle: Buffer.from(ca).toString('base64') }),
      },
    })),
  }));
  await applyObjects(cluster, configurations);
  await until('the API server to call the webhook', async () => {
    await probe(cluster, namespaces[0]);
    return await isCalled(opsUrl);
  });
}

/** A dry run of a clone that nobody will ever make. */
async function probe({ api }: Cluster, into = 'default'): Promise<void> {
  await api.post(`/apis/cdi.kubevirt.io/v1beta1/namespaces/${into}/datavolumes?dryRun=All`, {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { name: 'probe', namespace: into },
    spec: { source: { pvc: { namespace: into, name: 'probed' } }, storage: {} },
  });
}

/**
 * Whether it has answered both kinds of calls, by its own count. The API server learns of the two configurations one by one, so that for a moment
 * a webhook that was there before may be called for the one, and this one for the other.
 */
async function isCalled(opsUrl: string): Promise<boolean> {
  const text = await (await request(`${opsUrl}/metrics`)).body.text();
  return ['mutate', 'validate'].every((name) =>
    text.split('\n').some((line) => line.startsWith(`clonegate_admission_requests_total{webhook="${name}"`)),
  );
}

/** @returns the flags that name the files. */
function writeCertificate(folder: string, authority: Issued): readonly string[] {
  const dnsNames = [`${account}.${namespace}.svc`];
  const serving = issueServing(authority, { dnsNames, ipAddresses: ['127.0.0.1'], days: 1, now: Date.now() });
  return [
    `--tls-cert-file=${write(folder, 'tls.crt', serving.certificatePem)}`,
    `--tls-key-file=${write(folder, 'tls.key', serving.privateKeyPem)}`,
  ];
}

/** @returns the flags that name the files. */
function writeKeys(folder: string, keys: StampKeyFiles): readonly string[] {
  return [
    `--stamp-key-file=${write(folder, 'stamp-key.json', keys.stampKey)}`,
    `--stamp-public-keys-file=${write(folder, 'stamp-public-keys.json', keys.stampPublicKeys)}`,
    `--identity-public-key-file=${write(folder, 'identity-public-key.json', keys.identityPublicKey)}`,
  ];
}

function write(folder: string, file: string, text: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, file);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

async function isReady(opsUrl: string): Promise<boolean> {
  const { statusCode, body } = await request(`${opsUrl}/readyz`);
  await body.dump();
  return statusCode === 200;
}
