import { expect, test } from 'vitest';
import type { DataSource } from '../../../shared/api/datavolume.ts';
import { leanDataSource } from '../../../webhook/known.ts';

/** Anybody may make DataSources, and all of them are kept in memory. */

function kept(source: NonNullable<DataSource['spec']['source']>) {
  const metadata = {
    namespace: 'golden',
    name: 'latest',
    uid: 'uid',
    resourceVersion: '1',
    annotations: { long: 'x' },
  };
  return leanDataSource({ metadata, spec: { source } });
}

test('of a DataSource its name is kept, and where it leads', () => {
  const metadata = { namespace: 'golden', name: 'latest', uid: 'uid', resourceVersion: '1' };

  expect(kept({ pvc: { namespace: 'golden', name: 'win10' } })).toEqual({
    metadata,
    spec: { source: { pvc: { namespace: 'golden', name: 'win10' } } },
  });
  expect(kept({ snapshot: { name: 'daily' } }).spec).toEqual({
    source: { snapshot: { namespace: '', name: 'daily' } },
  });
  expect(kept({}).spec).toEqual({ source: {} });
});

test.each([
  ['name', { name: 'x'.repeat(1_000_000) }],
  ['namespace', { namespace: 'x'.repeat(1_000_000), name: 'win10' }],
])('a %s that can be none is not kept, and still leads nowhere', (_name, ref) => {
  expect(kept({ dataSource: ref }).spec).toEqual({ source: { dataSource: { name: '' } } });
});
