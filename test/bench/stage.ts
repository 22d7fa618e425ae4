import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { issueAuthority, issueServing } from '../../certs/issue.ts';
import { type Cluster, type ManagedProcess, startCluster, until } from '../support/cluster/index.ts';
import { freePort } from '../support/cluster/ports.ts';
import { type RunningWebhook, renderConfigurations, startWebhook } from '../support/webhook.ts';
import { sum } from './stats.ts';

/**
 * One API server and three namespaces that differ in the webhooks that are called for them: none, a bare one, Clonegate's. So the three
 * can be measured in turns without changing anything in between.
 */

export const modes = ['none', 'bare', 'clonegate'] as const;
export type Mode = (typeof modes)[number];

export interface BareCount {
  /** By version of HTTP. */
  readonly calls: Readonly<Record<string, number>>;
  readonly handshakes: number;
}

export interface Stage {
  readonly cluster: Cluster;
  readonly webhook: RunningWebhook;
  readonly bare: { readonly process: ManagedProcess; count(): Promise<BareCount> };
  /** ALPN protocol that Clonegate's server chooses when HTTP/2 is offered as well. */
  readonly protocol: string;
  close(): Promise<void>;
}

/** Where the sources are, and their name. */
export const golden = { namespace: 'golden', name: 'win10' } as const;
/** May clone; the other tenant may only create DataVolumes. */
export const cloner = 'tenant-a';
export const stranger = 'tenant-b';
export const namespaceOf = (mode: Mode): string => `bench-${mode}`;
export const volumesOf = (mode: Mode): string =>
  `/apis/cdi.kubevirt.io/v1beta1/namespaces/${namespaceOf(mode)}/datavolumes`;

export function clone(name: string): object {
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { name, labels: { app: 'vm' } },
    spec: { source: { pvc: golden }, storage: { resources: { requests: { storage: '10Gi' } } } },
  };
}

export const reviewsPath = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
/** The question that Clonegate asks for such a clone. */
export const review = {
  apiVersion: 'authorization.k8s.io/v1',
  kind: 'SubjectAccessReview',
  spec: {
    user: cloner,
    groups: ['tenants', 'system:authenticated'],
    resourceAttributes: {
      group: 'cdi.kubevirt.io',
      resource: 'datavolumes',
      subresource: 'source',
      verb: 'create',
      ...golden,
    },
  },
};

export async function setStage(log: (line: string) => void): Promise<Stage> {
  const cluster = await startCluster({ tier: 'api', name: 'bench', log });
  const agent = new Agent({ allowH2: false, connect: { rejectUnauthorized: false } });
  const close = async (): Promise<void> => {
    await agent.destroy();
    await cluster.stop();
  };
  try {
    const webhook = await startWebhook(cluster);
    log('the webhook is called');
    await kubectl(cluster, ['apply', '--server-side', '-f', '-'], JSON.stringify(list(world())));
    await bind(cluster);
    const bare = await startBare(cluster, agent);
    const count = async (): Promise<BareCount> => {
      const { body } = await request(bare.url, { dispatcher: agent });
      return (await body.json()) as BareCount;
    };
    await confine(cluster, bare);
    await until('the API server to call each webhook for its namespace alone', () => isConfined(cluster, count));
    log('the bare webhook is called as well, each for its own namespace');
    const protocol = await protocolOf(webhook.url);
    return { cluster, webhook, bare: { process: bare.process, count }, protocol, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function kubectl(cluster: Cluster, args: readonly string[], input?: string): Promise<void> {
  const { code, stderr } = await cluster.kubectl(args, input === undefined ? {} : { input });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
}

function list(items: readonly object[]): object {
  return { apiVersion: 'v1', kind: 'List', items };
}

const rbac = 'rbac.authorization.k8s.io';

/** Storage that can clone, a source, and who may do what. */
function world(): readonly object[] {
  const className = 'fast';
  const provisioner = 'bench.csi.example.com';
  const size = { requests: { storage: '10Gi' } };
  const shape = { accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem', storageClassName: className };
  const csi = { driver: provisioner, volumeHandle: 'win10' };
  const ownMetadata = { name: golden.name, namespace: golden.namespace };
  const defaultClass = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const role = { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: 'bench-tenant' } };
  return [
    ...[golden.namespace, ...modes.map(namespaceOf)].map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    })),
    { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: provisioner }, spec: {} },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: className, annotations: defaultClass },
      provisioner,
    },
    {
      apiVersion: 'cdi.kubevirt.io/v1beta1',
      kind: 'StorageProfile',
      metadata: { name: className },
      spec: {
        cloneStrategy: 'csi-clone',
        claimPropertySets: [{ accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem' }],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: golden.name },
      spec: { ...shape, capacity: { storage: '10Gi' }, csi, claimRef: ownMetadata },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: ownMetadata,
      spec: { ...shape, resources: size, volumeName: golden.name },
    },
    { ...role, rules: [{ apiGroups: ['cdi.kubevirt.io'], resources: ['datavolumes'], verbs: ['create', 'patch'] }] },
    ...modes.flatMap((mode) =>
      [cloner, stranger].map((user) => binding(namespaceOf(mode), `tenant-${user}`, 'bench-tenant', user)),
    ),
    binding(golden.namespace, 'cloner', 'clonegate-clone-sourcer', cloner),
  ];
}

function binding(namespace: string, name: string, role: string, user: string): object {
  return {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name, namespace },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: rbac, kind: 'User', name: user }],
  };
}

/** What the volume controller would say; there is none here. */
async function bind(cluster: Cluster): Promise<void> {
  const status = { phase: 'Bound', capacity: { storage: '10Gi' }, accessModes: ['ReadWriteOnce'] };
  const patch = ['--subresource=status', '--type=merge', '-p', JSON.stringify({ status })];
  await kubectl(cluster, ['patch', 'pvc', golden.name, '-n', golden.namespace, ...patch]);
}

interface Bare {
  readonly process: ManagedProcess;
  readonly url: string;
  readonly ca: string;
}

async function startBare(cluster: Cluster, agent: Agent): Promise<Bare> {
  const folder = join(cluster.address.folder, 'bare');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const now = Date.now();
  const authority = issueAuthority({ commonName: 'bench', days: 2, now });
  const serving = issueServing(authority, { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'], days: 1, now });
  writeFileSync(join(folder, 'tls.crt'), serving.certificatePem);
  writeFileSync(join(folder, 'tls.key'), serving.privateKeyPem, { mode: 0o600 });
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const script = fileURLToPath(new URL('bare.ts', import.meta.url));
  const args = [script, `--port=${port}`, `--cert=${join(folder, 'tls.crt')}`, `--key=${join(folder, 'tls.key')}`];
  const ready = async (): Promise<boolean> => {
    const { statusCode, body } = await request(url, { dispatcher: agent });
    await body.dump();
    return statusCode === 200;
  };
  return {
    process: await cluster.run('bare-webhook', process.execPath, args, { ready }),
    url,
    ca: authority.certificatePem,
  };
}

/** Clonegate's configurations for its namespace only, and copies of them, conditions included, that call the bare webhook for the other. */
async function confine(cluster: Cluster, { url, ca }: Bare): Promise<void> {
  for (const configuration of await renderConfigurations()) {
    const value = selectorOf('clonegate');
    const patch = configuration.webhooks.map((_, at) => ({
      op: 'add',
      path: `/webhooks/${at}/namespaceSelector`,
      value,
    }));
    await kubectl(cluster, ['patch', configuration.kind, 'clonegate', '--type=json', '-p', JSON.stringify(patch)]);
    const webhooks = configuration.webhooks.map((webhook) => ({
      ...webhook,
      name: webhook.name.replace('clonegate.io', 'bench.example.com'),
      clientConfig: {
        url: `${url}${webhook.clientConfig.service.path}`,
        caBundle: Buffer.from(ca).toString('base64'),
      },
      namespaceSelector: selectorOf('bare'),
    }));
    const copy = { ...configuration, metadata: { name: 'bench-bare' }, webhooks };
    await kubectl(cluster, ['apply', '--server-side', '-f', '-'], JSON.stringify(copy));
  }
}

function selectorOf(mode: Mode): object {
  return { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: [namespaceOf(mode)] }] };
}

/** A decision comes back where Clonegate is called, and nowhere else; the bare webhook counts its calls. */
async function isConfined({ api }: Cluster, count: () => Promise<BareCount>): Promise<boolean> {
  const calls = async (): Promise<number> => sum(Object.values((await count()).calls));
  const tried = async (mode: Mode): Promise<{ readonly decided: boolean; readonly calls: number }> => {
    const before = await calls();
    const { metadata } = await api.post<{ readonly metadata: { readonly annotations?: object } }>(
      `${volumesOf(mode)}?dryRun=All`,
      clone('probe'),
    );
    return { decided: metadata.annotations !== undefined, calls: (await calls()) - before };
  };
  const [none, bare, clonegate] = [await tried('none'), await tried('bare'), await tried('clonegate')];
  // Twice: once to mutate, once to validate.
  return (
    !none.decided && none.calls === 0 && !bare.decided && bare.calls === 2 && clonegate.decided && clonegate.calls === 0
  );
}

async function protocolOf(url: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.alpnProtocol === false || socket.alpnProtocol === null ? 'none' : socket.alpnProtocol);
      socket.destroy();
    });
  });
}
