import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { UserInfo } from '../../../shared/api/admission.ts';
import type { CloneSource } from '../../../shared/api/datavolume.ts';
import { askAccess, type Question, strictPolicy } from '../../../shared/trust/access.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { until } from '../../support/cluster/until.ts';
import { clientOf } from '../kube/client.ts';

const cluster = sharedCluster();
let asker: Awaited<ReturnType<typeof clientOf>>;
let golden: string;
let other: string;

beforeAll(async () => {
  asker = await clientOf(cluster.kubeconfig('admin'));
  golden = await createNamespace(cluster, 'golden');
  other = await createNamespace(cluster, 'other');
});
afterAll(async () => {
  await asker.close();
  await cluster.close();
});

const rbac = 'rbac.authorization.k8s.io';
const roles = (namespace: string): string => `/apis/${rbac}/v1/namespaces/${namespace}`;

interface Rule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const mayClone: Rule = { resources: ['datavolumes/source'], verbs: ['create'] };

function user(name: string): object {
  return { apiGroup: rbac, kind: 'User', name };
}

function group(name: string): object {
  return { apiGroup: rbac, kind: 'Group', name };
}

/** Role and RoleBinding of the same name in the namespace. */
async function grant(namespace: string, name: string, subject: object, rule: Rule): Promise<void> {
  await cluster.api.post(`${roles(namespace)}/roles`, {
    metadata: { name },
    rules: [{ apiGroups: ['cdi.kubevirt.io'], ...rule }],
  });
  await bind(namespace, name, subject);
}

async function bind(namespace: string, role: string, subject: object): Promise<void> {
  await cluster.api.post(`${roles(namespace)}/rolebindings`, {
    metadata: { name: role },
    roleRef: { apiGroup: rbac, kind: 'Role', name: role },
    subjects: [subject],
  });
}

function claim(namespace: string, name = 'fedora'): CloneSource {
  return { kind: 'PersistentVolumeClaim', namespace, name };
}

function questionOf(user: UserInfo, source: CloneSource): Question {
  return { user, source, into: other };
}

const policies = (['cluster', 'namespace'] as const).map((reviews) => ({ ...strictPolicy, reviews }));

/** By either review. */
async function answersFor(who: UserInfo, source: CloneSource): Promise<readonly boolean[]> {
  return await Promise.all(
    policies.map(async (policy) => (await askAccess(asker, questionOf(who, source), policy)).allowed),
  );
}

/** Both reviews have to say the same. */
async function isAllowed(who: UserInfo, source: CloneSource): Promise<boolean> {
  const [answer = false, local] = await answersFor(who, source);
  expect(local).toBe(answer);
  return answer;
}

/** The API server's authorizer learns of roles and bindings a moment after they are stored. */
async function becomesAllowed(who: UserInfo, source: CloneSource): Promise<void> {
  await until(`${who.username} may clone ${source.name}`, async () => (await answersFor(who, source)).every(Boolean));
}

describe('the right to clone', () => {
  test('is nobody’s until it is granted', async () => {
    expect(await isAllowed({ username: 'nobody', groups: ['system:authenticated'] }, claim(golden))).toBe(false);
  });

  test('comes with a role in the namespace of the source, and ends there', async () => {
    const jane = { username: 'jane' };
    await grant(golden, 'jane', user('jane'), mayClone);
    await becomesAllowed(jane, claim(golden));
    expect(await isAllowed(jane, claim(other))).toBe(false);
    expect(await isAllowed({ username: 'janet' }, claim(golden))).toBe(false);
    // A snapshot is a source like any other: the right is to the source, whatever its kind.
    expect(await isAllowed(jane, { kind: 'VolumeSnapshot', namespace: golden, name: 'nightly' })).toBe(true);
  });

  test.each<[string, Rule]>([
    ['create datavolumes', { resources: ['datavolumes'], verbs: ['create'] }],
    ['read sources', { resources: ['datavolumes/source'], verbs: ['get', 'list'] }],
  ])('does not come with the right to %s', async (name, rule) => {
    const id = name.replaceAll(' ', '-');
    await grant(golden, id, user(id), rule);
    // A second role, stored later, marks the moment at which the first one is known.
    await grant(golden, `${id}-marker`, user(`${id}-marker`), mayClone);
    await becomesAllowed({ username: `${id}-marker` }, claim(golden));
    expect(await isAllowed({ username: id }, claim(golden))).toBe(false);
  });

  test('comes through a group, and every group is asked for', async () => {
    await grant(golden, 'team', group('team-storage'), mayClone);
    const groups = ['system:authenticated', ...Array.from({ length: 200 }, (_, i) => `team-${i}`)];
    await becomesAllowed({ username: 'joe', groups: [...groups, 'team-storage'] }, claim(golden));
    expect(await isAllowed({ username: 'joe', groups }, claim(golden))).toBe(false);
  });

  test('may be for one source by its name', async () => {
    const jim = { username: 'jim' };
    await grant(golden, 'jim', user('jim'), { ...mayClone, resourceNames: ['fedora'] });
    await becomesAllowed(jim, claim(golden, 'fedora'));
    expect(await isAllowed(jim, claim(golden, 'payroll'))).toBe(false);
  });

  test('comes to a service account by its name and by the groups that all of a namespace have', async () => {
    const account = (name: string): UserInfo => ({
      username: `system:serviceaccount:${other}:${name}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${other}`, 'system:authenticated'],
    });
    await grant(golden, 'builder', { kind: 'ServiceAccount', namespace: other, name: 'builder' }, mayClone);
    await becomesAllowed(account('builder'), claim(golden));
    expect(await isAllowed(account('runner'), claim(golden))).toBe(false);
    await grant(golden, 'all-accounts', group(`system:serviceaccounts:${other}`), mayClone);
    await becomesAllowed(account('runner'), claim(golden));
  });

  test('does not hang on uid and extra where roles do not, and both are accepted', async () => {
    const extra = { 'authentication.kubernetes.io/credential-id': ['JTI=1'], 'Example.com/Weird key': ['a', ''] };
    await grant(golden, 'jill', user('jill'), mayClone);
    await becomesAllowed({ username: 'jill' }, claim(golden));
    expect(await isAllowed({ username: 'jill', uid: 'u-1', groups: [], extra }, claim(golden))).toBe(true);
    expect(await isAllowed({ username: 'jack', uid: 'u-2', groups: [], extra }, claim(golden))).toBe(false);
  });

  test('can be taken away again', async () => {
    const june = { username: 'june' };
    await grant(golden, 'june', user('june'), mayClone);
    await becomesAllowed(june, claim(golden));
    await cluster.kubectl(['delete', 'rolebinding', 'june', '-n', golden]);
    await until('june may no longer clone', async () => !(await answersFor(june, claim(golden))).some(Boolean));
    expect(await isAllowed(june, claim(golden))).toBe(false);
  });
});

describe('the answer', () => {
  test('to someone without the right is the same whether or not the source exists', async () => {
    await cluster.api.post(`/api/v1/namespaces/${golden}/persistentvolumeclaims`, {
      metadata: { name: 'exists' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    });
    const mallory = { username: 'mallory', groups: ['system:authenticated'] };
    const answers = await Promise.all(
      [claim(golden, 'exists'), claim(golden, 'missing'), claim('no-such-namespace', 'missing')].flatMap((source) =>
        policies.map(async (policy) => await askAccess(asker, questionOf(mallory, source), policy)),
      ),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]?.allowed).toBe(false);
  });

  test('is a no, and not an error, where a binding refers to a role that is gone', async () => {
    await bind(golden, 'gone', user('jeff'));
    const answer = await until('the binding is known', async () => {
      const found = await askAccess(asker, questionOf({ username: 'jeff' }, claim(golden)), strictPolicy);
      return found.reason?.includes('"gone" not found') === true && found;
    });
    expect(answer.allowed).toBe(false);
  });

  test('is an error, and neither yes nor no, when we may not ask', async () => {
    const tenant = await clientOf(cluster.kubeconfig('tenant-a'));
    onTestFinished(async () => await tenant.close());
    const asked = askAccess(
      tenant,
      questionOf({ username: 'tenant-a', groups: ['tenants'] }, claim(golden)),
      strictPolicy,
    );
    await expect(asked).rejects.toMatchObject({ name: 'ApiError', code: 403, reason: 'Forbidden' });
  });

  test('that does not come in time is an error', async () => {
    const late = askAccess(asker, questionOf({ username: 'jane' }, claim(golden)), strictPolicy, {
      signal: AbortSignal.abort(new Error('late')),
    });
    await expect(late).rejects.toThrow('late');
  });
});
