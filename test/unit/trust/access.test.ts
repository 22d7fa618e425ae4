import { describe, expect, test } from 'vitest';
import type { UserInfo } from '../../../shared/api/admission.ts';
import type { KubeObject, SubjectAccessReview } from '../../../shared/api/objects.ts';
import type { CallOptions, Client } from '../../../shared/kube/client.ts';
import { ApiError, isRetryable } from '../../../shared/kube/errors.ts';
import { pathOf, type Resource } from '../../../shared/kube/resource.ts';
import { type AccessPolicy, askAccess, type Question, strictPolicy } from '../../../shared/trust/access.ts';
import { source } from './fixtures.ts';

const jane: UserInfo = {
  username: 'jane',
  uid: 'uid-of-jane',
  groups: ['team-storage', 'system:authenticated'],
  extra: { 'example.com/clearance': ['secret', 'top'] },
};

interface Asked {
  readonly kind: Resource<KubeObject>;
  readonly object: KubeObject;
  readonly options: CallOptions | undefined;
}

/** A client that gives one answer to every review; asking it anything else fails the test. */
function answering(answer: unknown): { client: Client; asked: Asked[] } {
  const asked: Asked[] = [];
  const review = async (kind: Resource<KubeObject>, object: KubeObject, options?: CallOptions): Promise<unknown> => {
    asked.push({ kind, object, options });
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { client: { review } as unknown as Client, asked };
}

const question = (changes: Partial<Question> = {}): Question => ({ user: jane, source, into: 'tenant-a', ...changes });

async function ask(status: unknown) {
  return askAccess(answering({ metadata: {}, status }).client, question(), strictPolicy);
}

describe('the question', () => {
  test('names the user wholly, and the source as a datavolumes/source in its own namespace', async () => {
    const { client, asked } = answering({ status: { allowed: true } });
    const signal = new AbortController().signal;
    await askAccess(client, question(), strictPolicy, { signal, deadline: 500 });
    expect(asked).toHaveLength(1);
    const [review] = asked;
    expect(review === undefined ? '' : pathOf(review.kind)).toBe('/apis/authorization.k8s.io/v1/subjectaccessreviews');
    expect(review?.options).toEqual({ signal, deadline: 500 });
    expect(review?.object).toEqual({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        user: 'jane',
        uid: 'uid-of-jane',
        groups: ['team-storage', 'system:authenticated'],
        extra: { 'example.com/clearance': ['secret', 'top'] },
        resourceAttributes: {
          group: 'cdi.kubevirt.io',
          version: 'v1beta1',
          resource: 'datavolumes',
          subresource: 'source',
          verb: 'create',
          namespace: 'golden',
          name: 'fedora',
        },
      },
    });
  });

  test('is put in the namespace of the source where that is what we may do, and is the same otherwise', async () => {
    const cluster = answering({ status: { allowed: true } });
    const local = answering({ status: { allowed: true } });
    await askAccess(cluster.client, question(), strictPolicy);
    await askAccess(local.client, question(), { ...strictPolicy, reviews: 'namespace' });

    expect(local.asked.map(({ kind }) => kind.plural)).toEqual(['localsubjectaccessreviews']);
    expect(local.asked[0]?.object).toEqual({
      ...cluster.asked[0]?.object,
      kind: 'LocalSubjectAccessReview',
      metadata: { namespace: 'golden' },
    });
  });

  test('has nothing in it that the user does not have', async () => {
    const { client, asked } = answering({ status: { allowed: true } });
    await askAccess(client, question({ user: { username: 'jane' } }), strictPolicy);
    const [review] = asked;
    expect(review?.object).toStrictEqual({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: { user: 'jane', resourceAttributes: expect.objectContaining({ name: 'fedora' }) as object },
    });
  });

  test('is not put for nobody: without a user it would be a question about the groups', async () => {
    const { client, asked } = answering({ status: { allowed: true } });
    await expect(askAccess(client, question({ user: { ...jane, username: '' } }), strictPolicy)).rejects.toThrow(
      ApiError,
    );
    expect(asked).toEqual([]);
  });

  test('that the API server does not answer ends with its error', async () => {
    const down = new ApiError('connection refused', { code: 0, reason: 'Unreachable' });
    await expect(askAccess(answering(down).client, question(), strictPolicy)).rejects.toBe(down);
  });
});

describe('the answer', () => {
  test.each([
    ['yes', { allowed: true }, { allowed: true }],
    ['yes with its reason', { allowed: true, reason: 'RBAC: …' }, { allowed: true, reason: 'RBAC: …' }],
    ['yes of one authorizer while another failed', { allowed: true, evaluationError: 'timeout' }, { allowed: true }],
    ['no', { allowed: false }, { allowed: false }],
    ['no with its reason', { allowed: false, denied: false, reason: 'RBAC: …' }, { allowed: false, reason: 'RBAC: …' }],
    ['no, with an empty reason', { allowed: false, reason: '' }, { allowed: false }],
    ['no, with a reason that is no text', { allowed: false, reason: 7 }, { allowed: false }],
    ['no, with an empty error', { allowed: false, evaluationError: '' }, { allowed: false }],
    ['denied', { allowed: false, denied: true }, { allowed: false }],
    ['denied by one while another failed', { allowed: false, denied: true, evaluationError: 'x' }, { allowed: false }],
    ['denied and allowed, which cannot be', { allowed: true, denied: true }, { allowed: false }],
  ])('%s', async (_, status, access) => {
    const rule = access.allowed ? { rule: 'datavolumes/source' } : {};
    expect(await ask(status)).toStrictEqual({ ...access, ...rule });
  });

  test('nobody knows, because an authorizer failed: an error that is worth a retry, not a no', async () => {
    const error: unknown = await ask({ allowed: false, evaluationError: 'webhook timed out' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).message).toContain('webhook timed out');
    expect(isRetryable(error)).toBe(true);
  });

  test('is an error in words of our own when the error of an authorizer has none', async () => {
    await expect(ask({ allowed: false, evaluationError: 7 })).rejects.toThrow(/: an authorizer failed$/);
  });

  test.each([
    undefined,
    null,
    'allowed',
    [],
    {},
    { allowed: 'true' },
    { allowed: 1 },
    { allowed: true, denied: 'no' },
    { allowed: true, denied: null },
    { denied: false },
  ])('with the status %j is no answer', async (status) => {
    await expect(ask(status)).rejects.toThrow(ApiError);
  });

  test.each([undefined, null, 'yes', 7])('that is %j is no answer', async (answer) => {
    await expect(askAccess(answering(answer).client, question(), strictPolicy)).rejects.toThrow(ApiError);
  });
});

/** A client that gives each review the answer for its resource, and remembers what it was asked. */
function authorizer(rights: Readonly<Record<string, boolean | Error>>) {
  const asked: string[] = [];
  const review = async (_: Resource<KubeObject>, object: SubjectAccessReview): Promise<unknown> => {
    const { group, resource, subresource, verb, namespace, name } = object.spec.resourceAttributes ?? {};
    const what = `${resource}${subresource === undefined ? '' : `/${subresource}`}`;
    asked.push(`${verb} ${what}.${group} ${namespace}/${name}`);
    const right = rights[what] ?? false;
    if (right instanceof Error) throw right;
    return { status: { allowed: right } };
  };
  return { client: { review } as unknown as Client, asked };
}

const clone = 'datavolumes/source';
const [own, pods, claims] = [
  'create datavolumes/source.cdi.kubevirt.io golden/fedora',
  'create pods. golden/fedora',
  'create persistentvolumeclaims. golden/fedora',
];
const snapshot = { ...source, kind: 'VolumeSnapshot' } as const;
const cdi: AccessPolicy = { sameNamespace: 'skip', podCreatorsMayClone: true, reviews: 'cluster' };

describe("CDI's looser rules", () => {
  test.each<[string, Partial<Question>, AccessPolicy, Record<string, boolean>, object, readonly string[]]>([
    ['do not count unless they are switched on', {}, strictPolicy, { pods: true }, { allowed: false }, [own]],
    [
      'are not needed by who has the right',
      {},
      cdi,
      { [clone]: true, pods: true },
      { allowed: true, rule: clone },
      [own],
    ],
    ['let creators of pods clone claims', {}, cdi, { pods: true }, { allowed: true, rule: 'pods' }, [own, pods]],
    ['let nobody else', {}, cdi, { persistentvolumeclaims: true }, { allowed: false }, [own, pods]],
    ['want both for a snapshot', { source: snapshot }, cdi, { pods: true }, { allowed: false }, [own, pods, claims]],
    [
      'take both for a snapshot',
      { source: snapshot },
      cdi,
      { pods: true, persistentvolumeclaims: true },
      { allowed: true, rule: 'pods' },
      [own, pods, claims],
    ],
    ['ask nobody within a namespace', { into: 'golden' }, cdi, {}, { allowed: true, rule: 'same-namespace' }, []],
    [
      'ask within a namespace all the same when only the other one is on',
      { into: 'golden' },
      { ...cdi, sameNamespace: 'ask' },
      {},
      { allowed: false },
      [own, pods],
    ],
    [
      'do not mean other namespaces when only the own is skipped',
      {},
      { ...strictPolicy, sameNamespace: 'skip' },
      { pods: true },
      { allowed: false },
      [own],
    ],
  ])('%s', async (_, changes, policy, rights, access, questions) => {
    const { client, asked } = authorizer(rights);
    expect(await askAccess(client, question(changes), policy)).toEqual(access);
    expect(asked).toEqual(questions);
  });

  test.each([clone, 'pods', 'persistentvolumeclaims'])('give no answer when %s cannot be evaluated', async (what) => {
    const down = new ApiError('connection refused', { code: 0, reason: 'Unreachable' });
    const { client } = authorizer({ pods: true, persistentvolumeclaims: true, [what]: down });
    await expect(askAccess(client, question({ source: snapshot }), cdi)).rejects.toBe(down);
  });

  test('are not for nobody either', async () => {
    const { client } = authorizer({});
    const nobody = question({ user: { username: '' }, into: 'golden' });
    await expect(askAccess(client, nobody, cdi)).rejects.toThrow(ApiError);
  });
});
