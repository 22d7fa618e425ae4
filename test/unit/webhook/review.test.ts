import { describe, expect, it } from 'vitest';
import { parseReview, ReviewError } from '../../../webhook/review.ts';
import { cloneOf, createReview, jane, updateReview } from './world.ts';

const body = createReview(cloneOf());

function errorOf(given: unknown): ReviewError {
  try {
    parseReview(given);
  } catch (error) {
    if (error instanceof ReviewError) return error;
    throw error;
  }
  throw new Error('it was read');
}

const request = (changes: object): object => ({ ...body, request: { ...body.request, ...changes } });

describe('parseReview', () => {
  it('reads what the API server sends for a CREATE', () => {
    expect(parseReview(body)).toEqual({
      uid: 'request-1',
      operation: 'CREATE',
      resource: { group: 'cdi.kubevirt.io', version: 'v1beta1', resource: 'datavolumes' },
      name: '',
      namespace: 'tenant-a',
      userInfo: jane,
      dryRun: false,
      object: cloneOf(),
    });
  });

  it('reads both objects of an UPDATE', () => {
    const before = cloneOf({ contentType: 'archive' });
    expect(parseReview(updateReview(before, cloneOf()))).toMatchObject({ oldObject: before, object: cloneOf() });
  });

  it('takes what Go leaves out for empty', () => {
    const review = parseReview(
      request({ name: undefined, dryRun: undefined, userInfo: { username: 'jane' }, subResource: '' }),
    );
    expect(review).toMatchObject({ name: '', dryRun: false, userInfo: { username: 'jane', groups: [], extra: {} } });
  });

  it.each([
    ['null', null],
    ['a list', []],
    ['a text', 'AdmissionReview'],
    ['no request', { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }],
    ['a request without uid', request({ uid: undefined })],
    ['a uid that is a number', request({ uid: 7 })],
    ['an endless uid', request({ uid: 'x'.repeat(129) })],
  ])('has nobody to answer to in %s', (_, given) => {
    expect(errorOf(given).uid).toBeUndefined();
  });

  it.each([
    ['another version of the review', { ...body, apiVersion: 'admission.k8s.io/v1beta1' }, 'kind, apiVersion'],
    ['another kind of review', { ...body, kind: 'TokenReview' }, 'kind, apiVersion'],
    ['another resource', request({ resource: { ...body.request.resource, resource: 'pods' } }), 'request.resource'],
    ['another group', request({ resource: { ...body.request.resource, group: '' } }), 'request.resource'],
    ['no resource', request({ resource: undefined }), 'request.resource'],
    ['a subresource', request({ subResource: 'status' }), 'request.subResource'],
    ['a deletion', request({ operation: 'DELETE', object: null }), 'request.operation'],
    ['no operation', request({ operation: undefined }), 'request.operation'],
    ['no namespace', request({ namespace: '' }), 'request.namespace'],
    ['a namespace that is a number', request({ namespace: 1 }), 'request.namespace'],
    ['a dry run that is a text', request({ dryRun: 'no' }), 'request.dryRun'],
    ['no user', request({ userInfo: undefined }), 'request.userInfo'],
    ['a nameless user', request({ userInfo: { username: '' } }), 'request.userInfo.username'],
    [
      'groups that are a text',
      request({ userInfo: { username: 'jane', groups: 'admins' } }),
      'request.userInfo.groups',
    ],
    ['a group that is a number', request({ userInfo: { username: 'jane', groups: [1] } }), 'request.userInfo.groups'],
    ['a uid of the user that is a number', request({ userInfo: { username: 'jane', uid: 1 } }), 'request.userInfo.uid'],
    ['extra that is a list', request({ userInfo: { username: 'jane', extra: [] } }), 'request.userInfo.extra'],
    [
      'extra of another shape',
      request({ userInfo: { username: 'jane', extra: { a: 'b' } } }),
      'request.userInfo.extra["a"]',
    ],
    ['no object', request({ object: null }), 'request.object'],
    ['an object without metadata', request({ object: { ...cloneOf(), metadata: null } }), 'request.object'],
    ['an object of another kind', request({ object: { ...cloneOf(), kind: 'Pod' } }), 'request.object'],
    ['an object of another version', request({ object: { ...cloneOf(), apiVersion: 'v1' } }), 'request.object'],
    [
      'an object of another namespace',
      request({ object: cloneOf({}, { namespace: 'kube-system' }) }),
      'request.object.metadata.namespace',
    ],
    ['an update without the old object', request({ operation: 'UPDATE' }), 'request.oldObject'],
  ])('answers the uid and names the field for %s', (_, given, field) => {
    const { uid, message } = errorOf(given);
    expect(uid).toBe('request-1');
    expect(message.startsWith(`${field}: `)).toBe(true);
  });
});
