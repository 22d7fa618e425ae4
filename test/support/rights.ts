import type { AuditEvent } from './cluster/index.ts';
import type { Rendered } from './helm/chart.ts';

/** RBAC as far as our roles use it: what each account may do by the chart, held against what it was seen to do. */

/** One verb on one resource, with the role that gives it. */
export interface Right {
  readonly role: string;
  /** Undefined: in every namespace, and on what has none. */
  readonly namespace: string | undefined;
  readonly verb: string;
  readonly group: string;
  /** With the subresource. */
  readonly resource: string;
  /** Undefined: of any name. */
  readonly name: string | undefined;
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

type Role = Rendered & { readonly rules: readonly Rule[] };
type Binding = Rendered & {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
};

/** Everything that the roles among the objects give to a ServiceAccount. */
export function rightsOf(objects: readonly Rendered[], account: string): readonly Right[] {
  const bindings = objects.filter((object): object is Binding => object.kind.endsWith('RoleBinding'));
  const own = bindings.filter(({ subjects }) =>
    subjects.some(({ kind, name }) => kind === 'ServiceAccount' && name === account),
  );
  return own.flatMap((binding) => {
    const scope = binding.kind === 'ClusterRoleBinding' ? undefined : binding.metadata.namespace;
    const role = objects.find(
      ({ kind, metadata }) =>
        kind === binding.roleRef.kind &&
        metadata.name === binding.roleRef.name &&
        (kind === 'ClusterRole' || metadata.namespace === scope),
    ) as Role | undefined;
    if (role === undefined) throw new Error(`${binding.metadata.name} binds a role that is not there`);
    return role.rules.flatMap((rule) => rightsBy(rule, `${role.kind} ${role.metadata.name}`, scope));
  });
}

function rightsBy(rule: Rule, role: string, namespace: string | undefined): readonly Right[] {
  const { apiGroups, resources, verbs } = rule;
  const names = rule.resourceNames ?? [undefined];
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      verbs.flatMap((verb) => names.map((name) => ({ role, namespace, verb, group, resource, name }))),
    ),
  );
}

/** Whether the right is what lets this request pass. */
export function covers(right: Right, { verb, objectRef }: AuditEvent): boolean {
  const { apiGroup = '', resource = '', subresource, namespace, name } = objectRef ?? {};
  return (
    right.verb === verb &&
    right.group === apiGroup &&
    right.resource === (subresource === undefined ? resource : `${resource}/${subresource}`) &&
    (right.namespace === undefined || right.namespace === namespace) &&
    // The name of what is created is not known when the right is asked for.
    (right.name === undefined || (verb !== 'create' && right.name === name))
  );
}

/** Requests for objects; what is asked about the API itself (`/apis/…`) everybody may. */
export function requestsOf(events: readonly AuditEvent[], user: string): readonly AuditEvent[] {
  return events.filter((event) => event.user.username === user && event.objectRef !== undefined);
}

export function wordsOfRight({ role, verb, group, resource, name }: Right): string {
  const of = group === '' ? resource : `${resource}.${group}`;
  return `${role}: ${verb} ${of}${name === undefined ? '' : ` ${name}`}`;
}
