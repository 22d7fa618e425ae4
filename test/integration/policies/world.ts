import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Agent, request } from 'undici';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import type { ClusterAccess } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { until } from '../../support/cluster/until.ts';
import { applyChart, applyObjects, isAccountOrRight } from '../../support/helm/apply.ts';
import { type PolicyManifest, readPolicies } from '../../support/policies.ts';

/** The shipped policies in force on the shared API server, no webhook at all, and people with rights in two namespaces. */

/** Who asks, as the API server is told by impersonation; everything behind that is as for somebody who logged in. */
export interface Person {
  readonly name: string;
  readonly groups?: readonly string[];
}

type Method = 'POST' | 'PATCH';
type Headers = Readonly<Record<string, string | string[]>>;

export interface Answer {
  readonly code: number;
  /** The whole sentence of a refusal, else empty. */
  readonly message: string;
  readonly object: DataVolume;
}

export interface World extends AsyncDisposable {
  /** Where DataVolumes are made; everybody may do that there. */
  readonly team: string;
  /** Where there are sources. */
  readonly golden: string;
  readonly create: (who: Person, volume: object, query?: string) => Promise<Answer>;
  /** JSON merge patch. @param subresource such as `/status`. */
  readonly patch: (who: Person, name: string, change: object, subresource?: string) => Promise<Answer>;
  /** The same by the controller's own account, with the token and the rights that it has. */
  readonly asController: (name: string, change: object) => Promise<Answer>;
  /** Made by the admin, who may clone everything, with a name of its own. */
  readonly existing: (volume: object) => Promise<DataVolume>;
  /** What policies have left in the audit log about requests for one DataVolume, oldest first. */
  readonly auditOf: (name: string) => Promise<readonly Readonly<Record<string, string>>[]>;
  /** @throws Error when kubectl fails. */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  /** Binds a role (`--role=NAME` or `--clusterrole=NAME`) to the person, or to the group. @returns when the authorizer knows. */
  readonly grant: (
    namespace: string,
    to: { readonly user: string } | { readonly group: string },
    role: string,
    known?: Question,
  ) => Promise<void>;
  /** Puts the policies in force as they are shipped, but for one of the switches. @returns when `look` sees it. */
  readonly turn: (name: string, expression: string, look: () => Promise<boolean>) => Promise<void>;
}

/** What a SubjectAccessReview asks about, to see whether a grant is known. */
export interface Question {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly name: string;
}

export const mayClone: Question = {
  group: 'cdi.kubevirt.io',
  resource: 'datavolumes',
  subresource: 'source',
  name: 'win10',
};

export const admin: Person = { name: 'admin', groups: ['system:masters'] };
export const nobody: Person = { name: 'nobody', groups: ['system:authenticated'] };
export const controller: Person = {
  name: 'system:serviceaccount:clonegate-system:clonegate-controller',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:clonegate-system', 'system:authenticated'],
};

/** A DataVolume of 1 GiB that clones what `source` says. */
export function clone(source: object, metadata: object = {}): object {
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { name: `dv-${randomBytes(4).toString('hex')}`, ...metadata },
    spec: { ...source, storage: { resources: { requests: { storage: '1Gi' } } } },
  };
}

export const pvc = (namespace: string, name = 'win10'): object => ({ source: { pvc: { namespace, name } } });

export async function openWorld(): Promise<World> {
  const cluster = sharedCluster();
  // Over HTTP/2 undici puts all groups into one header, which is one strange group.
  const dispatcher = new Agent({ allowH2: false, connect: { ca: cluster.ca } });
  const [team, golden] = [await createNamespace(cluster, 'team'), await createNamespace(cluster, 'golden')];
  const volumes = `${cluster.server}/apis/cdi.kubevirt.io/v1beta1/namespaces/${team}/datavolumes`;

  const send = async (token: string, as: Headers, method: Method, url: string, body: object): Promise<Answer> => {
    const type = method === 'POST' ? 'application/json' : 'application/merge-patch+json';
    const headers = { authorization: `Bearer ${token}`, 'content-type': type, ...as };
    const response = await request(url, { method, dispatcher, headers, body: JSON.stringify(body) });
    const answer = (await response.body.json()) as DataVolume & { readonly message?: string };
    return { code: response.statusCode, message: answer.message ?? '', object: answer };
  };
  const call = async ({ name, groups = [] }: Person, method: Method, url: string, body: object): Promise<Answer> => {
    // A header is bytes; the API server reads them as UTF-8.
    const as = { 'impersonate-user': Buffer.from(name).toString('latin1'), 'impersonate-group': [...groups] };
    return await send(cluster.token('admin'), as, method, url, body);
  };
  const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await cluster.kubectl(args, input === undefined ? {} : { input });
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const world: World = {
    team,
    golden,
    create: (who, volume, query = '') => call(who, 'POST', `${volumes}${query}`, volume),
    patch: (who, name, change, subresource = '') => call(who, 'PATCH', `${volumes}/${name}${subresource}`, change),
    asController: async (name, change) => {
      const kubeconfig = await cluster.serviceAccountKubeconfig('clonegate-system', 'clonegate-controller');
      const token = readFileSync(join(dirname(kubeconfig), 'token'), 'utf8');
      return await send(token, {}, 'PATCH', `${volumes}/${name}`, change);
    },
    existing: async (volume) => {
      const { code, message, object } = await call(admin, 'POST', volumes, volume);
      if (code !== 201) throw new Error(message);
      return object;
    },
    auditOf: async (name) => {
      const events = await cluster.auditEvents();
      const about = events.filter(({ objectRef }) => objectRef?.namespace === team && objectRef.name === name);
      return about.map(({ annotations = {} }) => annotations);
    },
    kubectl,
    grant: async (namespace, to, role, known = mayClone) => {
      const subject = 'user' in to ? `--user=${to.user}` : `--group=${to.group}`;
      await kubectl(['create', 'rolebinding', randomBytes(4).toString('hex'), role, subject, '-n', namespace]);
      const asked = 'user' in to ? to : { user: 'anybody', groups: [to.group] };
      const review = { ...asked, resourceAttributes: { ...known, namespace, verb: 'create' } };
      await until(`${subject} to have been granted ${role}`, async () => {
        const { status } = await cluster.api.post<{ readonly status: { readonly allowed: boolean } }>(
          '/apis/authorization.k8s.io/v1/subjectaccessreviews',
          { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: review },
        );
        return status.allowed;
      });
    },
    turn: async (name, expression, look) => {
      await applyObjects(
        cluster,
        (await readPolicies()).map((policy) => withVariable(policy, name, expression)),
      );
      await until(`${name} to be ${expression}`, look);
    },
    [Symbol.asyncDispose]: async () => {
      const names = (await readPolicies()).map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      await kubectl(['delete', ...names]);
      // Who comes after us on this API server shall not meet them.
      await until('the policies to be gone', async () => (await probe(world)) === undefined);
      await dispatcher.destroy();
      await cluster.close();
    },
  };
  await install(world, cluster);
  return world;
}

async function install(world: World, cluster: ClusterAccess): Promise<void> {
  const { team, kubectl } = world;
  await applyChart(cluster, isAccountOrRight);
  await applyObjects(cluster, await readPolicies());
  const verbs = '--verb=create,patch,get,list,delete';
  const resources = '--resource=datavolumes.cdi.kubevirt.io,datavolumes.cdi.kubevirt.io/status';
  await kubectl(['create', 'role', 'editor', verbs, resources, '-n', team]);
  await world.grant(team, { group: 'system:authenticated' }, '--role=editor', { ...mayClone, subresource: '' });
  await until('both policies to be in force', async () => (await probe(world)) === 'CloneDenied ReservedAnnotation');
}

/** Which of the policies refuse what they are there to refuse; undefined for none. */
async function probe({ team, create, patch, existing }: World): Promise<string | undefined> {
  const { metadata } = await existing(clone(pvc(team)));
  const answers = [
    await create(nobody, clone(pvc(team)), '?dryRun=All'),
    await patch(nobody, metadata.name ?? '', { metadata: { annotations: { 'clonegate.io/stamp': 'forged' } } }),
  ];
  const codes = answers.flatMap(({ message }) => /(?<=denied request: )\w+/.exec(message)?.[0] ?? []);
  return codes.length === 0 ? undefined : codes.join(' ');
}

function withVariable(policy: PolicyManifest, name: string, expression: string): PolicyManifest {
  const { variables } = policy.spec;
  if (variables?.some((variable) => variable.name === name) !== true) return policy;
  const changed = variables.map((variable) => (variable.name === name ? { name, expression } : variable));
  return { ...policy, spec: { ...policy.spec, variables: changed } };
}
