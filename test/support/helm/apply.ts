import type { ClusterAccess } from '../cluster/index.ts';
import { type Rendered, type RenderOptions, releaseNamespace, renderChart } from './chart.ts';

/** Puts parts of the chart into a cluster without a release, for tests that run the programs as processes. */

type Applies = Pick<ClusterAccess, 'kubectl'>;

const definition = 'CustomResourceDefinition';
/** Kinds that only nodes, or operators that are not here, do something about. */
const accountKinds: ReadonlySet<string> = new Set([
  definition,
  'ServiceAccount',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
]);

/** Definitions, ServiceAccounts and rights of both programs, and the roles of users. */
export function isAccountOrRight({ kind }: Rendered): boolean {
  return accountKinds.has(kind);
}

/**
 * What both programs need to run with their own rights. With namespaces, their rights are limited to these, and given in those of them that
 * there are.
 */
export async function applyRights(cluster: Applies, namespaces: readonly string[] = []): Promise<void> {
  if (namespaces.length === 0) {
    await applyChart(cluster, isAccountOrRight);
    return;
  }
  const { stdout } = await cluster.kubectl(['get', 'namespaces', '-o', 'name']);
  const there = new Set([releaseNamespace, ...stdout.split('\n').map((line) => line.replace('namespace/', ''))]);
  const isThere = ({ metadata: { namespace } }: Rendered): boolean => namespace === undefined || there.has(namespace);
  const set = [`namespaces=json:${JSON.stringify(namespaces)}`];
  await applyChart(cluster, (object) => isAccountOrRight(object) && isThere(object), { set });
}

/**
 * Our namespace and everything of the chart that is wanted; again and again without harm.
 * @returns when the definitions among it are served. @throws Error with what helm or kubectl says.
 */
export async function applyChart(
  cluster: Applies,
  wanted: (object: Rendered) => boolean,
  options: RenderOptions = {},
): Promise<void> {
  const objects = (await renderChart(options)).filter((object) => wanted(object));
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: releaseNamespace } };
  await applyObjects(cluster, [namespace]);
  await applyObjects(cluster, objects);
  const definitions = objects.filter(({ kind }) => kind === definition).map(({ metadata }) => `crd/${metadata.name}`);
  if (definitions.length > 0)
    await kubectl(cluster, ['wait', '--for=condition=Established', '--timeout=180s', ...definitions]);
}

/** By server-side apply, whoever applied them before. @throws Error with what kubectl says. */
export async function applyObjects(cluster: Applies, items: readonly object[]): Promise<void> {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '-f', '-'], list);
}

async function kubectl(cluster: Applies, args: readonly string[], input?: string): Promise<void> {
  const { code, stderr } = await cluster.kubectl(args, input === undefined ? {} : { input });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
}
