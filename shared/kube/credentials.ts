import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { isIPv6 } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';

/**
 * Where the API server is and how to prove who we are. In a pod that is a token and an authority in two files; a kubeconfig, which can say
 * much more, is read by client-node's KubeConfig. That is loaded only then: it brings a model of the whole Kubernetes API, 50 MiB and
 * 0.7 s of CPU time (measured), and pods have no kubeconfig. Nothing of its own transport is used: it opens a new TLS connection for every call.
 */

export interface TlsMaterial {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Everything that a connection needs, as it was at one moment: tokens and certificates are replaced under a running process. */
export interface Access {
  readonly server: URL;
  readonly tls: TlsMaterial;
  /** `authorization`, and `impersonate-user` where the kubeconfig says so. */
  readonly headers: Readonly<Record<string, string>>;
  /** HTTP proxy (`proxy-url`). */
  readonly proxy?: string;
}

/** Reads the present state. `fresh` asks for new credentials even where the old ones claim to be good (the server refused them). */
export type AccessSource = (fresh: boolean) => Promise<Access>;

export interface AccessOptions {
  /** Path of a kubeconfig. Without it: the service account of the pod, else `$KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** Context within it; default its `current-context`. */
  readonly context?: string;
  /** Goes before `/var/run/secrets/kubernetes.io/serviceaccount`; for tests. */
  readonly root?: string;
}

/** What is wrong with the kubeconfig or the service account, where, and how to mend it. */
export class AccessError extends Error {
  override readonly name = 'AccessError';
}

export function accessFrom(options: AccessOptions): AccessSource {
  if (isInPod(options)) return async () => ofServiceAccount(options.root ?? '');
  let executable: KubeConfig | undefined;
  return async (fresh) => {
    const config = (fresh ? undefined : executable) ?? (await load(options));
    // Every other kind of credential is read again from its file. An exec plugin is a process, and may ask a person for a
    // password: its answer is kept inside KubeConfig until it expires.
    executable = config.getCurrentUser()?.exec === undefined ? undefined : config;
    return await accessOf(config);
  };
}

function isInPod({ kubeconfig, root }: AccessOptions): boolean {
  return kubeconfig === undefined && (root !== undefined || process.env['KUBERNETES_SERVICE_HOST'] !== undefined);
}

/** Where the kubelet puts the files of a pod's service account, and keeps them fresh. */
const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The environment and files that every container of a pod is given (kubernetes.io/docs: Accessing the Kubernetes API from a Pod). */
function ofServiceAccount(root: string): Access {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
  const read = (name: string): string => {
    const file = join(root, serviceAccountFolder, name);
    try {
      return readFileSync(file, 'utf8').trim();
    } catch (error) {
      throw new AccessError(
        `the service account of this pod: ${file} cannot be read: ${messageOf(error)}; ` +
          'the pod must have a service account whose token is mounted (automountServiceAccountToken)',
        { cause: error },
      );
    }
  };
  return {
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    tls: { ca: read('ca.crt') },
    headers: { authorization: `Bearer ${read('token')}` },
  };
}

async function load(options: AccessOptions): Promise<KubeConfig> {
  const { KubeConfig } = await import('./kube-config.ts');
  const config = new KubeConfig();
  const place = options.kubeconfig ?? 'the default kubeconfig';
  try {
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else loadFile(config, options.kubeconfig);
  } catch (error) {
    throw new AccessError(`${place} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (options.context !== undefined) config.setCurrentContext(options.context);
  check(config, place);
  return config;
}

function loadFile(config: KubeConfig, file: string): void {
  // client-node 2.0.1 looks for `token-file`, but the field is called `tokenFile` everywhere else. Its own auth-provider of that name
  // is left alone.
  const text = readFileSync(file, 'utf8');
  const standard = text.includes('auth-provider')
    ? text
    : text.replaceAll(/(["']?)\btokenFile\1\s*:/g, '$1token-file$1: ');
  config.loadFromString(standard);
  config.makePathsAbsolute(resolve(dirname(file)));
}

function check(config: KubeConfig, place: string): void {
  const name = config.getCurrentContext();
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    const known = config.getContexts().map((context) => context.name);
    throw new AccessError(
      `${place}: context "${name}" does not exist or names a missing cluster; contexts: ${known.join(', ') || 'none'}`,
    );
  }
  if (config.getCurrentUser() === null) throw new AccessError(`${place}: context "${name}" names a missing user`);
  // This is what client-node makes up when it finds no configuration at all.
  if (cluster.server === 'http://localhost:8080' && cluster.name === 'cluster') {
    throw new AccessError(
      'no kubeconfig and no service account found: give a kubeconfig, set KUBECONFIG, or run in a pod',
    );
  }
  if (cluster.proxyUrl !== undefined && !/^https?:/.test(cluster.proxyUrl)) {
    throw new AccessError(
      `${place}: proxy-url ${cluster.proxyUrl.split(':')[0]}: is not supported, only http: and https:`,
    );
  }
}

async function accessOf(config: KubeConfig): Promise<Access> {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new AccessError('the kubeconfig has no current cluster');
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw new AccessError(`no credentials for ${cluster.server}: ${messageOf(error)}`, { cause: error });
  }
  return {
    server: new URL(cluster.server),
    tls: tlsOf(options),
    headers: headersOf(options),
    ...(cluster.proxyUrl === undefined ? {} : { proxy: cluster.proxyUrl }),
  };
}

function tlsOf(options: RequestOptions): TlsMaterial {
  const { ca, cert, key, servername, rejectUnauthorized } = options;
  return {
    ...(isPem(ca) ? { ca } : {}),
    ...(isPem(cert) ? { cert } : {}),
    ...(isPem(key) ? { key } : {}),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value);
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    // A token file usually ends with a line feed, which no header may contain.
    if (value !== undefined) headers[name.toLowerCase()] = String(value).trim();
  }
  if (typeof options.auth === 'string') {
    headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  return headers;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
