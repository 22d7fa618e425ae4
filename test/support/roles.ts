import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import type { ClusterAccess } from './cluster/index.ts';

/**
 * The rights that the shipped manifests give, cut down for a program that serves only some namespaces: what has a namespace becomes a Role
 * in each of them, and only what has none stays in the ClusterRole. As docs/namespaces.md has it.
 */

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly Rule[];
  readonly roleRef?: object;
  readonly subjects?: readonly object[];
}

const manifests = fileURLToPath(new URL('../../charts/clonegate/manifests/', import.meta.url));
const rbac = 'rbac.authorization.k8s.io';

const withoutNamespace = new Set([
  'csidrivers',
  'mutatingwebhookconfigurations',
  'namespaces',
  'persistentvolumes',
  'storageclasses',
  'storageprofiles',
  'validatingwebhookconfigurations',
  'volumesnapshotclasses',
]);

/** One resource in each rule, so that each can go its own way. */
function split({ resources, ...rest }: Rule): readonly Rule[] {
  return resources.map((resource) => ({ ...rest, resources: [resource] }));
}

/** A `get` of a Namespace counts as made in it; to list them, each by its name, does not. */
function isClusterWide({ resources, verbs }: Rule): boolean {
  const [resource = ''] = resources;
  return withoutNamespace.has(resource) && !(resource === 'namespaces' && verbs.includes('get'));
}

function local(rule: Rule): Rule {
  return rule.resources[0] === 'subjectaccessreviews' ? { ...rule, resources: ['localsubjectaccessreviews'] } : rule;
}

const events: Rule = { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['get', 'create', 'patch'] };

/** A manifest (`controller.yaml`, `webhook-account.yaml`) with Roles in these namespaces. */
function narrowed(file: string, namespaces: readonly string[]): readonly Manifest[] {
  const documents = parseAllDocuments(readFileSync(join(manifests, file), 'utf8')).map(
    (each) => each.toJS() as Manifest,
  );
  const account = documents.find(({ kind }) => kind === 'ServiceAccount');
  const wide = documents.find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === account?.metadata.name,
  );
  if (account === undefined || wide === undefined) throw new Error(`${file} has no account with a ClusterRole`);
  const rules = (wide.rules ?? []).flatMap(split);
  const kept = rules.filter(isClusterWide).map((rule) => {
    return rule.resources[0] === 'namespaces' ? { ...rule, resourceNames: namespaces } : rule;
  });
  const { name, namespace: home = '' } = account.metadata;
  const subject = { kind: 'ServiceAccount', name, namespace: home };
  return [
    ...documents.map((each) => (each === wide ? { ...each, rules: kept } : each)),
    ...namespaces.flatMap((namespace) => {
      return roleWith(namespace, name, subject, rules.filter((rule) => !isClusterWide(rule)).map(local));
    }),
    ...roleWith(home, `${name}-events`, subject, [events]),
  ];
}

/** Gives these rights in those of the namespaces that exist; again and again without harm. */
export async function applyNarrowed(
  { kubectl }: Pick<ClusterAccess, 'kubectl'>,
  file: string,
  namespaces: readonly string[],
): Promise<void> {
  const all = await kubectl(['get', 'namespaces', '-o', 'name']);
  const there = new Set(all.stdout.split('\n').map((line) => line.replace('namespace/', '')));
  const items = narrowed(file, namespaces).filter(({ metadata: { namespace } }) => {
    return namespace === undefined || there.has(namespace);
  });
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const { code, stderr } = await kubectl(['apply', '--server-side', '-f', '-'], { input });
  if (code !== 0) throw new Error(`rights of ${file}: ${stderr}`);
}

function roleWith(namespace: string, name: string, subject: object, rules: readonly Rule[]): readonly Manifest[] {
  const metadata = { namespace, name };
  return [
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects: [subject],
    },
  ];
}
