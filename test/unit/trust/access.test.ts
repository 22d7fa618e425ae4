import { describe, expect, test } from 'vitest';
import type { UserInfo } from '../../../shared/api/admission.ts';
import type { KubeObject } from '../../../shared/api/objects.ts';
import type { CallOptions, Client } from '../../../shared/kube/client.ts';
import { ApiError, isRetryable } from '../../../shared/kube/errors.ts';
import { pathOf, type Resource } from '../../../shared/kube/resource.ts';
import { askAccess } from '../../../shared/trust/access.ts';
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

async function ask(status: unknown) {
  return askAccess(answering({ metadata: {}, status }).client, jane, source);
}

describe('the question', () => {
  test('names the user wholly, and the source as a datavolumes/source in its own namespace', async () => {
    const { client, asked } = answering({ status: { allowed: true } });
    const signal = new AbortController().signal;
    await askAccess(client, jane, source, { signal, deadline: 500 });
    expect(asked).toHaveLength(1);
    const [question] = asked;
    expect(question === undefined ? '' : pathOf(question.kind)).toBe(
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    );
    expect(question?.options).toEqual({ signal, deadline: 500 });
    expect(question?.object).toEqual({
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

  test('is not put for nobody: without a user it would be a question about the groups', async () => {
    const { client, asked } = answering({ status: { allowed: true } });
    await expect(askAccess(client, { ...jane, username: '' }, source)).rejects.toThrow(ApiError);
    expect(asked).toEqual([]);
  });

  test('that the API server does not answer ends with its error', async () => {
    const down = new ApiError('connection refused', { code: 0, reason: 'Unreachable' });
    await expect(askAccess(answering(down).client, jane, source)).rejects.toBe(down);
  });
});

describe('the answer', () => {
  test.each([
    ['yes', { allowed: true }, { allowed: true }],
    ['yes with its reason', { allowed: true, reason: 'RBAC: …' }, { allowed: true, reason: 'RBAC: …' }],
    ['yes of one authorizer while another failed', { allowed: true, evaluationError: 'timeout' }, { allowed: true }],
    ['no', { allowed: false }, { allowed: false }],
    ['no with its reason', { allowed: false, denied: false, reason: 'RBAC: …' }, { allowed: false, reason: 'RBAC: …' }],
    ['denied', { allowed: false, denied: true }, { allowed: false }],
    ['denied by one while another failed', { allowed: false, denied: true, evaluationError: 'x' }, { allowed: false }],
    ['denied and allowed, which cannot be', { allowed: true, denied: true }, { allowed: false }],
  ])('%s', async (_, status, access) => {
    expect(await ask(status)).toEqual(access);
  });

  test('nobody knows, because an authorizer failed: an error that is worth a retry, not a no', async () => {
    const error: unknown = await ask({ allowed: false, evaluationError: 'webhook timed out' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).message).toContain('webhook timed out');
    expect(isRetryable(error)).toBe(true);
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
    await expect(askAccess(answering(answer).client, jane, source)).rejects.toThrow(ApiError);
  });
});
