import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFaultControl, type FaultControl } from '../csi/control.ts';
import { volumeFile } from '../csi/layout.ts';
import { type Api, createApi } from './api.ts';
import { type AuditEvent, auditReader } from './audit.ts';
import { faultsFileOf, poolOf } from './driver.ts';
import { shortNameOf } from './drivers.ts';
import { type Finished, type KubectlOptions, runKubectl } from './kubectl.ts';
import { forgetImage, importArchive } from './node/containerd.ts';
import { createProcess, type ManagedProcess, type ProcessSpec } from './process.ts';
import { type Endpoint, type User, writeKubeconfig } from './users.ts';

/** What one needs to know to use a cluster that another process has started; plain JSON, so it can be handed over. */
export interface ClusterAddress {
  readonly id: string;
  /** Its temp folder. */
  readonly folder: string;
  readonly endpoint: Endpoint;
  readonly kubectl: string;
  /** Names of the real nodes; none in the other tiers. */
  readonly nodes: readonly string[];
}

/** Files as a pod would find them under /var/run/secrets/kubernetes.io/serviceaccount. */
export interface ServiceAccountMount {
  /** Holds `token`, `ca.crt` and `namespace`. */
  readonly folder: string;
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
  readonly env: Readonly<Record<string, string>>;
}

/** A running cluster as its users see it: the same for who started it and for who was only given its address. */
export interface ClusterAccess {
  readonly address: ClusterAddress;
  /** `https://127.0.0.1:PORT`. */
  readonly server: string;
  /** PEM of the authority that signed the API server's certificate. */
  readonly ca: string;
  /** Path of the user's kubeconfig. `admin` may do everything, the tenants nothing until somebody grants it. */
  kubeconfig(user: User): string;
  /** Bearer token of the user. */
  token(user: User): string;
  /** Asks the API server for a token (1 hour) of a service account that exists and writes a kubeconfig with it. @returns its path. */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  serviceAccountMount(namespace: string, name: string): Promise<ServiceAccountMount>;
  /** Runs the real kubectl; a non-zero exit code is in the answer, not thrown. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<Finished>;
  /** Every request that the API server has answered so far, oldest first. */
  auditEvents(): Promise<readonly AuditEvent[]>;
  /** The admin's raw calls, for setting tests up. */
  readonly api: Api;
  /** Starts a program that ends with the cluster, unless it is ended before; its log lies with the others. */
  run(name: string, command: string, args: readonly string[], options?: RunOptions): Promise<ManagedProcess>;
  /** The file that holds a volume's bytes. @throws Error when the PersistentVolume is not one of our drivers'. */
  volumePath(persistentVolume: string): Promise<string>;
  /** The same by the claim that is bound to it. @throws Error when it is not bound. */
  claimPath(namespace: string, claim: string): Promise<string>;
  /**
   * Makes images known to every node: an archive of `docker save`, or an OCI layout in a tar file. Pods use them with
   * `imagePullPolicy: Never`. @throws Error when there is no real node, or the archive is none.
   */
  importImage(archive: string): Promise<void>;
  /** Takes an image from every node again; containers that run stay. */
  removeImage(reference: string): Promise<void>;
  /** Orders faults from a driver, by its short name; dispose it when done. One object per driver at a time. */
  faults(driver: string): FaultControl;
  /** Closes the connections of this object; the cluster runs on. */
  close(): Promise<void>;
}

export type RunOptions = Pick<ProcessSpec, 'env' | 'ready' | 'timeout'>;

interface BoundClaim {
  readonly spec: { readonly volumeName?: string };
}

interface PersistentVolume {
  readonly spec: { readonly csi?: { readonly driver: string; readonly volumeHandle: string } };
}

interface TokenRequest {
  readonly status: { readonly token: string };
}

/** @throws Error when the cluster's files are gone, that is, when it was stopped. */
export function attach(address: ClusterAddress): ClusterAccess {
  const { folder, endpoint } = address;
  const server = `https://127.0.0.1:${endpoint.port}`;
  const ca = readFileSync(endpoint.caFile, 'utf8');
  const userFolder = (user: string): string => join(folder, 'users', user);
  const token = (user: User): string => readFileSync(join(userFolder(user), 'token'), 'utf8');
  const kubeconfig = (user: User): string => join(userFolder(user), 'kubeconfig');
  const api = createApi(server, ca, token('admin'));
  const account = async (namespace: string, name: string): Promise<string> => {
    const accountFolder = userFolder(`${namespace}.${name}`);
    const accountToken = await requestToken(api, namespace, name);
    return writeKubeconfig(accountFolder, `${namespace}.${name}`, accountToken, endpoint, namespace);
  };
  return {
    address,
    server,
    ca,
    kubeconfig,
    token,
    serviceAccountKubeconfig: account,
    serviceAccountMount: async (namespace, name) => {
      await account(namespace, name);
      const mount = userFolder(`${namespace}.${name}`);
      writeFileSync(join(mount, 'ca.crt'), ca);
      writeFileSync(join(mount, 'namespace'), namespace);
      const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(endpoint.port) };
      return { folder: mount, env };
    },
    kubectl: async (args, options = {}) =>
      await runKubectl(address.kubectl, args, {
        kubeconfig: options.kubeconfig ?? kubeconfig(options.user ?? 'admin'),
        home: folder,
        ...(options.input === undefined ? {} : { input: options.input }),
      }),
    api,
    run: async (name, command, args, options = {}) => {
      const logFile = join(folder, 'logs', `${name}.log`);
      const program = createProcess({ ...options, name, command, args, cluster: address.id, logFile });
      await program.start();
      return program;
    },
    volumePath: (persistentVolume) => volumePath(api, folder, persistentVolume),
    claimPath: async (namespace, claim) => {
      const found = await api.get<BoundClaim>(`/api/v1/namespaces/${namespace}/persistentvolumeclaims/${claim}`);
      const volume = found.spec.volumeName;
      if (volume === undefined) throw new Error(`claim ${namespace}/${claim} is not bound`);
      return await volumePath(api, folder, volume);
    },
    importImage: async (archive) => {
      if (address.nodes.length === 0) throw new Error('only a cluster of tier "node" has images');
      await Promise.all(address.nodes.map((name) => importArchive(join(folder, name), archive)));
    },
    removeImage: async (reference) => {
      await Promise.all(address.nodes.map((name) => forgetImage(join(folder, name), reference)));
    },
    faults: (driver) => createFaultControl(faultsFileOf(folder, driver)),
    auditEvents: auditReader(join(folder, 'audit.log')),
    close: () => api.close(),
  };
}

async function requestToken(api: Api, namespace: string, name: string): Promise<string> {
  const answer = await api.post<TokenRequest>(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: 3600 },
  });
  return answer.status.token;
}

async function volumePath(api: Api, state: string, name: string): Promise<string> {
  const { csi } = (await api.get<PersistentVolume>(`/api/v1/persistentvolumes/${name}`)).spec;
  const driver = csi === undefined ? undefined : shortNameOf(csi.driver);
  if (csi === undefined || driver === undefined)
    throw new Error(`persistent volume ${name} is not of a driver of ours`);
  return volumeFile(poolOf(state, driver), csi.volumeHandle);
}
