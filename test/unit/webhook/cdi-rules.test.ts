import { describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { claims } from '../../../shared/kube/resource.ts';
import {
  admit,
  call,
  cloneByReference,
  cloneOf,
  completed,
  putDataSource,
  updateReview,
  worldWithSource,
} from './world.ts';

/**
 * What CDI's webhook refuses of clones (cdi-behaviour 1.4), row by row: the same is refused here, for the same field. Right of each row
 * the field that the refusal names; `ok` where nothing is wrong.
 */

type Spec = Readonly<Record<string, unknown>>;

const source = { pvc: { namespace: 'golden', name: 'fedora' } };
const fast = { storageClassName: 'fast', volumeMode: 'Block' };
const sized = (storage: unknown): object => ({ resources: { requests: { storage } } });
const storage = { ...fast, ...sized('10Gi') };
const pvc = { ...storage, accessModes: ['ReadWriteOnce'] };
const byReference = { kind: 'DataSource', namespace: 'golden', name: 'latest' };
const x = (length: number): string => 'x'.repeat(length);

const size = (member: string): string => `spec.${member}.resources.requests.storage`;

const rows: readonly (readonly [row: number, what: string, spec: Spec, field: string])[] = [
  [3, 'neither pvc nor storage', { source }, 'spec'],
  [3, 'pvc', { source, pvc }, 'ok'],
  [3, 'storage', { source, storage }, 'ok'],
  [4, 'both', { source, storage, pvc }, 'spec.storage'],
  [5, 'a size of nothing', { source, storage: { ...fast, ...sized('0') } }, size('storage')],
  [5, 'a negative size', { source, pvc: { ...pvc, ...sized('-10Gi') } }, size('pvc')],
  [5, 'less than 1 MiB', { source, storage: { ...fast, ...sized('1048575') } }, size('storage')],
  [5, 'less than 1 MiB, as a number', { source, storage: { ...fast, ...sized(1_048_575) } }, size('storage')],
  [5, 'enough, as a number', { source, storage: { ...fast, ...sized(10 * 2 ** 30) } }, 'ok'],
  [6, 'no size in storage', { source, storage: fast }, 'ok'],
  [
    6,
    'no size in storage, of a snapshot',
    { source: { snapshot: { namespace: 'golden', name: 's' } }, storage: fast },
    'ok',
  ],
  [6, 'no size in storage, by reference', { sourceRef: byReference, storage: fast }, 'ok'],
  [6, 'no size in pvc', { source, pvc: { ...fast, accessModes: ['ReadWriteOnce'] } }, size('pvc')],
  [6, 'limits alone in pvc', { source, pvc: { ...pvc, resources: { limits: { storage: '1Gi' } } } }, size('pvc')],
  [7, 'a class of 253 characters', { source, storage: { ...storage, storageClassName: x(253) } }, 'ok'],
  [7, 'a class of 254', { source, storage: { ...storage, storageClassName: x(254) } }, 'spec.storage.storageClassName'],
  [8, 'no access mode in pvc', { source, pvc: { ...pvc, accessModes: [] } }, 'spec.pvc.accessModes'],
  [
    8,
    'two in pvc',
    { source, pvc: { ...pvc, accessModes: ['ReadWriteOnce', 'ReadWriteMany'] } },
    'spec.pvc.accessModes',
  ],
  [8, 'an unknown one in pvc', { source, pvc: { ...pvc, accessModes: ['ReadWriteTwice'] } }, 'spec.pvc.accessModes'],
  [8, 'two in storage', { source, storage: { ...storage, accessModes: ['ReadWriteOnce', 'ReadWriteMany'] } }, 'ok'],
  [8, 'an unknown one in storage', { source, storage: { ...storage, accessModes: ['x'] } }, 'spec.storage.accessModes'],
  ...['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'].map(
    (mode) => [8, mode, { source, pvc: { ...pvc, accessModes: [mode] } }, 'ok'] as const,
  ),
  [
    9,
    'a dataSource as well',
    { source, pvc: { ...pvc, dataSource: { kind: 'PersistentVolumeClaim', name: 'a' } } },
    'spec.pvc.dataSource',
  ],
  [
    9,
    'a dataSourceRef as well',
    { source, storage: { ...storage, dataSourceRef: { kind: 'X', name: 'a' } } },
    'spec.storage.dataSourceRef',
  ],
  [
    9,
    'a dataSourceRef beside a reference',
    { sourceRef: byReference, storage: { ...storage, dataSourceRef: { kind: 'X', name: 'a' } } },
    'spec.storage.dataSourceRef',
  ],
  [
    9,
    'a dataSourceRef alone, which is no clone',
    { storage: { ...storage, dataSourceRef: { kind: 'X', name: 'a' } } },
    'ok',
  ],
  [10, 'source and sourceRef', { source, sourceRef: byReference, storage }, 'spec.sourceRef'],
  [10, 'neither, which is no clone', { storage }, 'ok'],
  [11, 'no kind', { sourceRef: { name: 'latest' }, storage }, 'spec.sourceRef.kind'],
  [11, 'an empty kind', { sourceRef: { ...byReference, kind: '' }, storage }, 'spec.sourceRef.kind'],
  [11, 'another kind', { sourceRef: { ...byReference, kind: 'ImageStream' }, storage }, 'spec.sourceRef.kind'],
  [11, 'no name', { sourceRef: { kind: 'DataSource', namespace: 'golden' }, storage }, 'spec.sourceRef.name'],
  [11, 'an empty name', { sourceRef: { ...byReference, name: '' }, storage }, 'spec.sourceRef.name'],
  [12, 'no member of source, which is no clone', { source: {}, storage }, 'ok'],
  [12, 'two members', { source: { ...source, http: { url: 'x' } }, storage }, 'spec.source'],
  [
    12,
    'claim and snapshot',
    { source: { ...source, snapshot: { namespace: 'golden', name: 's' } }, storage },
    'spec.source',
  ],
  [13, 'kubevirt', { source, storage, contentType: 'kubevirt' }, 'ok'],
  [13, 'no word', { source, storage, contentType: '' }, 'ok'],
  [
    13,
    'archive',
    {
      source: { pvc: { namespace: 'golden', name: 'files' } },
      storage: { storageClassName: 'fast' },
      contentType: 'archive',
    },
    'ok',
  ],
  [13, 'another word', { source, storage, contentType: 'Archive' }, 'spec.contentType'],
  [
    14,
    'a claim without a name',
    { source: { pvc: { namespace: 'golden', name: '' } }, storage },
    'spec.source.pvc.name',
  ],
  [
    14,
    'a snapshot without a name',
    { source: { snapshot: { namespace: 'golden', name: '' } }, storage },
    'spec.source.snapshot.name',
  ],
  // Here CDI refuses: its own DataVolumes always say the namespace. Empty means the DataVolume's own, as everywhere in Kubernetes.
  [14, 'a claim without a namespace', { source: { pvc: { namespace: '', name: 'own' } }, storage }, 'ok'],
];

/** The fields that a create is refused for. */
async function fieldsOf(volume: DataVolume): Promise<readonly string[] | 'ok'> {
  const world = await worldWithSource();
  await putDataSource(world, { name: 'fedora' });
  const { response } = (await admit(world, volume)).ruling;
  return response.allowed ? 'ok' : (response.status?.details?.causes.map(({ field }) => field) ?? []);
}

describe("CDI's rules for a create", () => {
  it.each(rows)('%i: %s', async (_row, _what, spec, field) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const volume = { ...cloneOf(), spec: spec as DataVolume['spec'] };
    expect(await fieldsOf(volume)).toEqual(field === 'ok' ? 'ok' : [field]);
  });

  it.each([
    [1, 'a name of 253 characters', x(253), 'ok'],
    [1, 'a name of 254', x(254), ['metadata.name']],
  ])('%i: %s', async (_row, _what, name, fields) => {
    expect(await fieldsOf(cloneOf({}, { name }))).toEqual(fields);
  });

  it.each([
    [2, 'a claim of the name', {}, false],
    [2, 'one that was filled for it', { annotations: { [annotations.populatedFor]: 'disk' } }, true],
  ])('%i: %s', async (_row, _what, metadata, allowed) => {
    const world = await worldWithSource();
    await world.put(claims, { metadata: { namespace: 'tenant-a', name: 'disk', ...metadata } });
    expect((await admit(world, cloneOf())).ruling.response.allowed).toBe(allowed);
  });

  it('are all told at once, each with its field', async () => {
    const volume = cloneByReference({ kind: 'X', namespace: 'No', name: '' });
    const wrong = { ...volume, spec: { ...volume.spec, contentType: 'tape', storage: { storageClassName: 'A!' } } };
    expect(await fieldsOf(wrong)).toEqual([
      'spec.sourceRef.kind',
      'spec.sourceRef.name',
      'spec.sourceRef.namespace',
      'spec.storage.storageClassName',
      'spec.contentType',
    ]);
  });
});

describe("CDI's rule for an update", () => {
  it.each([
    ['the spec as it was', {}, 'ok'],
    ['a size in another unit', { storage: { ...fast, ...sized('10240Mi') } }, 'ok'],
    ['another size', { storage: { ...fast, ...sized('11Gi') } }, 'spec.storage'],
    ['another source', { source: { pvc: { namespace: 'golden', name: 'other' } } }, 'spec.source'],
    ['other content', { contentType: 'archive' }, 'spec.contentType'],
  ])('%s', async (_, changes, field) => {
    const world = await worldWithSource();
    const before = completed(world, cloneOf());
    const after = { ...before, spec: { ...before.spec, ...changes } };
    const { response } = await call(world.validate, updateReview(before, after));
    expect(response.status?.details?.causes.map((cause) => cause.field) ?? ['ok']).toEqual([field]);
  });
});
