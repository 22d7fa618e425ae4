import { randomBytes } from 'node:crypto';
import type { ClusterAccess } from './access.ts';
import { applyAll } from './manifest.ts';

/** A new namespace that no other test has. @returns its name, `<prefix>-<random>`. */
export async function createNamespace(cluster: ClusterAccess, prefix: string): Promise<string> {
  const name = `${prefix}-${randomBytes(3).toString('hex')}`;
  await applyAll(cluster.api, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }]);
  return name;
}
