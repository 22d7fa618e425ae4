import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApi } from './api.ts';
import { auditPolicy } from './audit.ts';
import { egressSelector } from './node/gateway.ts';
import { addressOf, serviceNetwork } from './node/network.ts';
import { rsaKey, servingCertificate } from './pki.ts';
import { freePort } from './ports.ts';
import { accepts, createProcess, type ManagedProcess, tail } from './process.ts';
import { logFileOf, type Site, serviceAccountKeyFile } from './site.ts';
import { type Endpoint, newTokens, tokenTable, type User, writeKubeconfig } from './users.ts';

export interface ControlPlane {
  readonly etcd: ManagedProcess;
  readonly apiServer: ManagedProcess;
  readonly endpoint: Endpoint;
  readonly tokens: ReadonlyMap<User, string>;
}

/** etcd and kube-apiserver, ready; every user has a kubeconfig. The port is free when chosen; if not any more when bound, another one is. */
export async function startControlPlane(site: Site): Promise<ControlPlane> {
  const tokens = newTokens();
  const [caFile] = await Promise.all([writePki(site), writeSettings(site, tokens)]);
  const etcd = etcdProcess(site);
  await etcd.start();
  for (let attempt = 1; ; attempt += 1) {
    const endpoint = { port: await freePort(), caFile };
    const apiServer = apiServerProcess(site, endpoint, tokens);
    try {
      await apiServer.start();
      for (const [user, token] of tokens)
        writeKubeconfig(join(site.folders.state, 'users', user), user, token, endpointFor(user, endpoint));
      return { etcd, apiServer, endpoint, tokens };
    } catch (error) {
      if (attempt === 5 || !tail(apiServer.logFile).includes('address already in use')) throw error;
    }
  }
}

/** Who is on a node reaches the API server by the address that it has there. */
function endpointFor(user: User, endpoint: Endpoint): Endpoint {
  return user === 'kube-proxy' || user.startsWith('node-') ? { ...endpoint, host: addressOf(1) } : endpoint;
}

async function writePki(site: Site): Promise<string> {
  const folder = join(site.folders.state, 'pki');
  const [serving, key] = await Promise.all([servingCertificate(Date.now()), rsaKey()]);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ca.crt'), serving.certificate);
  writeFileSync(join(folder, 'serving.key'), serving.privateKey, { mode: 0o600 });
  writeFileSync(serviceAccountKeyFile(site), key, { mode: 0o600 });
  return join(folder, 'ca.crt');
}

async function writeSettings(site: Site, tokens: ReadonlyMap<User, string>): Promise<void> {
  writeFileSync(join(site.folders.state, 'tokens.csv'), tokenTable(tokens), { mode: 0o600 });
  writeFileSync(join(site.folders.state, 'audit-policy.json'), JSON.stringify(auditPolicy));
  writeFileSync(egressFileOf(site), JSON.stringify(egressSelector(site)));
}

const egressFileOf = (site: Site): string => join(site.folders.state, 'egress.json');

/** A Unix socket in a private folder instead of a port: etcd asks nobody who he is. */
const etcdSocket = (site: Site): string => join(site.folders.state, 'etcd.sock');

/** What etcd would tell other members. It insists on a host and a port, but there are no other members. */
const advertised = 'http://localhost:1';

function etcdProcess(site: Site): ManagedProcess {
  return createProcess({
    name: 'etcd',
    cluster: site.id,
    onDeath: site.onDeath,
    command: site.binaries('etcd'),
    logFile: logFileOf(site, 'etcd'),
    ready: () => accepts(etcdSocket(site)),
    args: [
      `--data-dir=${site.folders.etcd}`,
      // A crash of the machine loses the data, and nobody minds: they are thrown away anyway.
      '--unsafe-no-fsync',
      '--log-level=warn',
      `--listen-client-urls=unix://${etcdSocket(site)}`,
      `--listen-peer-urls=unix://${join(site.folders.state, 'etcd-peer.sock')}`,
      `--advertise-client-urls=${advertised}`,
      `--initial-advertise-peer-urls=${advertised}`,
      `--initial-cluster=default=${advertised}`,
    ],
  });
}

function apiServerProcess(site: Site, endpoint: Endpoint, tokens: ReadonlyMap<User, string>): ManagedProcess {
  const { state } = site.folders;
  return createProcess({
    name: 'kube-apiserver',
    cluster: site.id,
    onDeath: site.onDeath,
    command: site.binaries('kube-apiserver'),
    logFile: logFileOf(site, 'kube-apiserver'),
    ready: () => isReady(endpoint, tokens.get('admin') ?? ''),
    args: [
      `--etcd-servers=unix://${etcdSocket(site)}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${endpoint.port}`,
      `--tls-cert-file=${endpoint.caFile}`,
      `--tls-private-key-file=${join(state, 'pki/serving.key')}`,
      `--service-cluster-ip-range=${serviceNetwork}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${serviceAccountKeyFile(site)}`,
      `--service-account-signing-key-file=${serviceAccountKeyFile(site)}`,
      `--token-auth-file=${join(state, 'tokens.csv')}`,
      '--allow-privileged=true',
      `--audit-policy-file=${join(state, 'audit-policy.json')}`,
      `--audit-log-path=${join(state, 'audit.log')}`,
      // Never rotated: auditEvents() counts from the start.
      '--audit-log-maxsize=10000',
      ...(site.nodes > 0 ? nodeArguments(site, endpoint) : paperArguments),
    ],
  });
}

const paperArguments = [
  '--authorization-mode=RBAC',
  '--advertise-address=127.0.0.1',
  // Nobody reaches the API server through the `kubernetes` Service here, and the reconciler refuses loopback addresses.
  '--endpoint-reconciler-type=none',
  // It would taint the node on paper for not being ready, and the controller that takes that back is off.
  '--disable-admission-plugins=TaintNodesByCondition',
];

/** With real nodes: these may do what nodes may, find the API server by the `kubernetes` Service, and are reached through the gateway. */
function nodeArguments(site: Site, endpoint: Endpoint): readonly string[] {
  return [
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    `--advertise-address=${addressOf(1)}`,
    `--egress-selector-config-file=${egressFileOf(site)}`,
    `--kubelet-client-certificate=${endpoint.caFile}`,
    `--kubelet-client-key=${join(site.folders.state, 'pki/serving.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
  ];
}

/** A first start brings up the built-in roles and namespaces; `/readyz` says yes when that is through as well. */
async function isReady(endpoint: Endpoint, token: string): Promise<boolean> {
  const api = createApi(`https://127.0.0.1:${endpoint.port}`, readFileSync(endpoint.caFile, 'utf8'), token);
  try {
    return (await api.get('/readyz')) === 'ok';
  } finally {
    await api.close();
  }
}
