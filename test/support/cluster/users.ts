import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** People and components that come with a token from the start. Service accounts get theirs from the API server. */
const staticUsers = {
  admin: { name: 'admin', groups: ['system:masters'] },
  'tenant-a': { name: 'tenant-a', groups: ['tenants'] },
  'tenant-b': { name: 'tenant-b', groups: ['tenants'] },
  'kube-controller-manager': { name: 'system:kube-controller-manager', groups: [] },
  'kube-scheduler': { name: 'system:kube-scheduler', groups: [] },
  'kube-proxy': { name: 'system:kube-proxy', groups: [] },
  'node-1': { name: 'system:node:node-1', groups: ['system:nodes'] },
  'node-2': { name: 'system:node:node-2', groups: ['system:nodes'] },
} as const;

export type User = keyof typeof staticUsers;
export const users = Object.keys(staticUsers) as readonly User[];

/** Where the API server is and what proves it. */
export interface Endpoint {
  /** Default `127.0.0.1`. */
  readonly host?: string;
  readonly port: number;
  readonly caFile: string;
}

/** Rows of the file for `--token-auth-file`: token, user name, uid, groups. */
export function tokenTable(tokens: ReadonlyMap<User, string>): string {
  const rows = [...tokens].map(([user, token]) => {
    const { name, groups } = staticUsers[user];
    return `${token},${name},${user},"${groups.join(',')}"\n`;
  });
  return rows.join('');
}

export function newTokens(): ReadonlyMap<User, string> {
  return new Map(users.map((user) => [user, randomBytes(16).toString('hex')]));
}

/**
 * Writes `<folder>/token` and `<folder>/kubeconfig`. The kubeconfig names the token's file instead of holding it, so that a test can
 * put another token there and see whether a client notices.
 * @returns path of the kubeconfig.
 */
export function writeKubeconfig(
  folder: string,
  user: string,
  token: string,
  endpoint: Endpoint,
  namespace = 'default',
): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'clonegate',
        cluster: {
          server: `https://${endpoint.host ?? '127.0.0.1'}:${endpoint.port}`,
          'certificate-authority': endpoint.caFile,
        },
      },
    ],
    users: [{ name: user, user: { tokenFile } }],
    contexts: [{ name: user, context: { cluster: 'clonegate', user, namespace } }],
    'current-context': user,
  };
  const file = join(folder, 'kubeconfig');
  writeFileSync(file, `${JSON.stringify(kubeconfig, null, 2)}\n`, { mode: 0o600 });
  return file;
}
