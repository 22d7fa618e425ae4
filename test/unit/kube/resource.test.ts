import { describe, expect, test } from 'vitest';
import * as resources from '../../../shared/kube/resource.ts';

const { apiVersionOf, claims, csiDrivers, dataVolumes, pathOf } = resources;

describe('the path of a resource', () => {
  test.each([
    [pathOf(claims), '/api/v1/persistentvolumeclaims'],
    [pathOf(claims, { namespace: 'ns' }), '/api/v1/namespaces/ns/persistentvolumeclaims'],
    [pathOf(claims, { namespace: 'ns', name: 'a' }, 'status'), '/api/v1/namespaces/ns/persistentvolumeclaims/a/status'],
    [pathOf(dataVolumes, { namespace: 'ns', name: 'a' }), '/apis/cdi.kubevirt.io/v1beta1/namespaces/ns/datavolumes/a'],
    [pathOf(csiDrivers, { name: 'a' }), '/apis/storage.k8s.io/v1/csidrivers/a'],
  ])('is %s', (path, expected) => {
    expect(path).toBe(expected);
  });

  test('leaves out a namespace that the kind does not have', () => {
    expect(pathOf(csiDrivers, { namespace: 'ns', name: 'a' })).toBe('/apis/storage.k8s.io/v1/csidrivers/a');
  });

  test('lets no name reach beyond its segment', () => {
    expect(pathOf(claims, { namespace: '../x', name: 'a/b?c=d#e%2f' })).toBe(
      '/api/v1/namespaces/..%2Fx/persistentvolumeclaims/a%2Fb%3Fc%3Dd%23e%252f',
    );
  });
});

test('the API version has the group, except for the core group', () => {
  expect([apiVersionOf(claims), apiVersionOf(dataVolumes)]).toEqual(['v1', 'cdi.kubevirt.io/v1beta1']);
});

test('no two rows are the same resource, and plurals are in lower case', () => {
  const rows = Object.values(resources).filter((row) => typeof row === 'object');
  expect(rows.length).toBeGreaterThan(5);
  expect(new Set(rows.map((row) => pathOf(row))).size).toBe(rows.length);
  for (const row of rows) expect(row.plural).toMatch(/^[a-z]+$/);
});
