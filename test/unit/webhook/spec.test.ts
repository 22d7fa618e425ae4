import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import { isName, isNamespace } from '../../../webhook/dns.ts';
import { readVolume } from '../../../webhook/shape.ts';
import { faultsOf } from '../../../webhook/spec.ts';
import { annotate, cloneByReference, cloneOf } from './world.ts';

const size = (storage: string) => ({ storage: { resources: { requests: { storage } } } });
const { source: _, ...sourceless } = cloneOf().spec;

/** `field: message` of each fault. */
const faults = (spec: Parameters<typeof cloneOf>[0]): string[] =>
  faultsOf(cloneOf(spec)).map(({ field, message }) => `${field}: ${message}`);

describe('what a clone may say', () => {
  it.each([
    ['a claim as its source', cloneOf()],
    ['a snapshot as its source', cloneOf({ source: { snapshot: { namespace: 'golden', name: 'daily.1' } } })],
    ['a DataSource', cloneByReference()],
    ['a source in its own namespace', cloneOf({ source: { pvc: { namespace: '', name: 'fedora' } } })],
    ["no size, to take the source's", cloneOf({ storage: {} })],
    ['no class by name', cloneOf({ storage: { storageClassName: '', ...size('1Gi').storage } })],
    ['the smallest size', cloneOf(size('1Mi'))],
    ['the largest size', cloneOf(size('9223372036854775807'))],
    [
      'spec.pvc with one access mode',
      {
        ...cloneOf(),
        spec: { source: cloneOf().spec.source, pvc: { accessModes: ['ReadWriteMany'], ...size('1Gi').storage } },
      },
    ],
    ['names at their limits', cloneOf({ source: { pvc: { namespace: 'n'.repeat(63), name: 'x'.repeat(253) } } })],
    ['a strategy it wants', annotate(cloneOf(), { [annotations.strategy]: 'copy' })],
    ['archive content', cloneOf({ contentType: 'archive', storage: {} })],
  ])('%s', (_, volume) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    expect(faultsOf(volume as ReturnType<typeof cloneOf>)).toEqual([]);
  });

  it.each([
    [
      'two sources',
      { source: { pvc: { name: 'a' }, http: {} } },
      'spec.source: must have exactly one member, but has "pvc", "http"',
    ],
    [
      'a source and a DataSource',
      { sourceRef: { kind: 'DataSource', name: 'a' } },
      'spec.sourceRef: give either source or sourceRef, not both',
    ],
    [
      'a way out of the path',
      { source: { pvc: { namespace: 'golden', name: '..' } } },
      'spec.source.pvc.name: must be the name of an object, not ".."',
    ],
    [
      'a slash',
      { source: { snapshot: { namespace: 'golden', name: 'a/b' } } },
      'spec.source.snapshot.name: must be the name of an object, not "a/b"',
    ],
    [
      'an empty name',
      { source: { pvc: { namespace: 'golden', name: '' } } },
      'spec.source.pvc.name: must be the name of an object, not ""',
    ],
    [
      'a name too long',
      { source: { pvc: { namespace: 'golden', name: 'x'.repeat(254) } } },
      `spec.source.pvc.name: must be the name of an object, not "${'x'.repeat(254)}"`,
    ],
    [
      'a namespace that is none',
      { source: { pvc: { namespace: 'kube.system', name: 'a' } } },
      'spec.source.pvc.namespace: must be the name of a namespace, not "kube.system"',
    ],
    [
      'both descriptions of the target',
      { pvc: { accessModes: ['ReadWriteOnce'], ...size('1Gi').storage } },
      'spec.storage: give either storage or pvc, not both',
    ],
    [
      'a class that is no name',
      { storage: { storageClassName: 'Fast!' } },
      'spec.storage.storageClassName: must be the name of a StorageClass, not "Fast!"',
    ],
    [
      'another content as well',
      { storage: { dataSource: { kind: 'PersistentVolumeClaim', name: 'a' } } },
      'spec.storage.dataSource: must not be given together with a source to clone',
    ],
    ['no quantity', size('lots'), 'spec.storage.resources.requests.storage: must be a size such as 10Gi, not "lots"'],
    ['a negative size', size('-1Gi'), 'spec.storage.resources.requests.storage: must be at least 1Mi, not "-1Gi"'],
    ['nothing', size('0'), 'spec.storage.resources.requests.storage: must be at least 1Mi, not "0"'],
    [
      'more than there is',
      size('9223372036854775808'),
      'spec.storage.resources.requests.storage: must be at most 9223372036854775807 bytes, not "9223372036854775808"',
    ],
    [
      'an absurd exponent',
      size('1e999'),
      'spec.storage.resources.requests.storage: must be at most 9223372036854775807 bytes, not "1e999"',
    ],
    [
      'an unknown access mode',
      { storage: { accessModes: ['ReadWriteAlways'] } },
      'spec.storage.accessModes: must be of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod, not "ReadWriteAlways"',
    ],
    [
      'an unknown volume mode',
      { storage: { volumeMode: 'Tape' } },
      'spec.storage.volumeMode: must be Filesystem or Block, not "Tape"',
    ],
    [
      'an archive on a block device',
      { contentType: 'archive', storage: { volumeMode: 'Block' } },
      'spec.storage.volumeMode: must be Filesystem: contentType archive is a tree of files',
    ],
    ['an unknown content', { contentType: 'tape' }, 'spec.contentType: must be kubevirt or archive, not "tape"'],
  ])('not %s', (_, spec, fault) => {
    expect(faults(spec as Parameters<typeof cloneOf>[0])).toEqual([fault]);
  });

  it.each([
    [
      'spec.pvc without a size',
      { source: cloneOf().spec.source, pvc: { accessModes: ['ReadWriteOnce'] } },
      'spec.pvc.resources.requests.storage',
    ],
    [
      'spec.pvc without an access mode',
      { source: cloneOf().spec.source, pvc: size('1Gi').storage },
      'spec.pvc.accessModes',
    ],
    [
      'spec.pvc with two access modes',
      {
        source: cloneOf().spec.source,
        pvc: { accessModes: ['ReadWriteOnce', 'ReadWriteMany'], ...size('1Gi').storage },
      },
      'spec.pvc.accessModes',
    ],
    ['no description of the target', { source: cloneOf().spec.source }, 'spec'],
    [
      'a reference to another kind',
      { ...sourceless, sourceRef: { kind: 'ConfigMap', name: 'a' } },
      'spec.sourceRef.kind',
    ],
    [
      'a reference to no name',
      { ...sourceless, sourceRef: { kind: 'DataSource', name: 'A B' } },
      'spec.sourceRef.name',
    ],
  ])('not %s', (_, spec, field) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const volume = { ...cloneOf(), spec: spec as ReturnType<typeof cloneOf>['spec'] };
    expect(faultsOf(volume).map((fault) => fault.field)).toEqual([field]);
  });

  it('not a strategy that nobody knows', () => {
    const [fault] = faultsOf(annotate(cloneOf(), { [annotations.strategy]: 'teleport' }));
    expect(fault).toEqual({
      field: 'metadata.annotations[clonegate.io/strategy]',
      message: 'must be csi-clone, snapshot, copy, not "teleport"',
    });
  });

  it.each([
    [annotations.verify, 'yes', 'must be true or false, not "yes"'],
    [annotations.bandwidth, 'fast', 'must be a number of bytes per second such as 100M, not "fast"'],
    [annotations.bandwidth, '0', 'must be a number of bytes per second such as 100M, not "0"'],
  ])('not %s: %s', (key, value, message) => {
    const field = `metadata.annotations[${key}]`;
    expect(faultsOf(annotate(cloneOf(), { [key]: value }))).toEqual([{ field, message }]);
  });

  it.each([
    [annotations.verify, 'false'],
    [annotations.bandwidth, '100M'],
  ])('but %s: %s', (key, value) => {
    expect(faultsOf(annotate(cloneOf(), { [key]: value }))).toEqual([]);
  });

  it('cuts and flattens what it quotes', () => {
    const [fault = ''] = faults({ contentType: `tape\n\u202E${'x'.repeat(5000)}` });
    expect(fault).toMatch(/^spec.contentType: [^\n\u202E]{1,400}$/u);
  });
});

describe('the target', () => {
  const own = { source: { pvc: { namespace: 'tenant-a', name: 'disk' } } };
  const fields = (volume: ReturnType<typeof cloneOf>): readonly string[] => faultsOf(volume).map(({ field }) => field);

  it('cannot be its own source, however that is written', () => {
    expect(faultsOf(cloneOf(own))).toEqual([
      {
        field: 'spec.source.pvc',
        message: 'must be another claim than tenant-a/disk, which is the one that this DataVolume makes',
      },
    ]);
    expect(fields(cloneOf({ source: { pvc: { namespace: '', name: 'disk' } } }))).toEqual(['spec.source.pvc']);
  });

  it.each([
    ['a snapshot of its name', cloneOf({ source: { snapshot: { namespace: 'tenant-a', name: 'disk' } } })],
    ['a claim of its name elsewhere', cloneOf({ source: { pvc: { namespace: 'golden', name: 'disk' } } })],
    ['another claim beside it', cloneOf({ source: { pvc: { namespace: 'tenant-a', name: 'other' } } })],
    ['a claim that it is to take over', cloneOf(own, { annotations: { [annotations.prePopulated]: 'disk' } })],
    ['a claim when its own name is yet to be generated', cloneOf(own, { name: '', generateName: 'disk' })],
  ])('may be made of %s', (_, volume) => {
    expect(fields(volume)).toEqual([]);
  });

  it('that has no name yet is not taken for a source that has none', () => {
    const nameless = cloneOf({ source: { pvc: { namespace: '', name: '' } } }, { name: '', generateName: 'disk-' });
    expect(fields(nameless)).toEqual(['spec.source.pvc.name']);
  });

  it.each(['x'.repeat(254), 'Disk', 'a/b'])('cannot be called %s', (called) => {
    expect(fields(cloneOf({}, { name: called }))).toEqual(['metadata.name']);
  });
});

describe('the shape of a DataVolume', () => {
  const read = (changes: object) => readVolume({ ...cloneOf(), ...changes }, 'tenant-a');
  const fieldsOf = (changes: object): readonly string[] => read(changes).faults?.map(({ field }) => field) ?? [];

  it('fills in the namespace of the request', () => {
    expect(read({ metadata: { name: 'disk' } }).volume?.metadata).toEqual({ name: 'disk', namespace: 'tenant-a' });
  });

  it('takes null in the metadata for absent, as exported manifests have it', () => {
    const { volume } = read({ metadata: { name: 'disk', creationTimestamp: null, annotations: null } });
    expect(volume?.metadata).toEqual({ name: 'disk', namespace: 'tenant-a' });
  });

  it('keeps keys that objects inherit as the ordinary keys that they are', () => {
    const metadata = JSON.parse('{"name":"disk","annotations":{"__proto__":"x","constructor":"y"}}') as object;
    expect(Object.keys(read({ metadata }).volume?.metadata.annotations ?? {})).toEqual(['__proto__', 'constructor']);
  });

  it.each([
    ['no spec', { spec: undefined }, ['spec']],
    ['null for a spec', { spec: null }, ['spec']],
    ['a list for a spec', { spec: [] }, ['spec']],
    ['a source that is a text', { spec: { source: 'x' } }, ['spec.source']],
    ['a claim that is null', { spec: { source: { pvc: null } } }, ['spec.source.pvc']],
    ['a claim without a name', { spec: { source: { pvc: { namespace: 'a' } } } }, ['spec.source.pvc.name']],
    ['a name that is a number', { spec: { source: { pvc: { name: 1 } } } }, ['spec.source.pvc.name']],
    ['a reference without kind and name', { spec: { sourceRef: {} } }, ['spec.sourceRef.kind', 'spec.sourceRef.name']],
    ['a target that is a text', { spec: { storage: 'big' } }, ['spec.storage']],
    ['access modes that are a text', { spec: { pvc: { accessModes: 'ReadWriteOnce' } } }, ['spec.pvc.accessModes']],
    [
      'a size that is an object',
      { spec: { storage: { resources: { requests: { storage: {} } } } } },
      ['spec.storage.resources.requests'],
    ],
    ['resources that are a list', { spec: { storage: { resources: [] } } }, ['spec.storage.resources']],
    ['an annotation that is a number', { metadata: { annotations: { a: 1 } } }, ['metadata.annotations']],
    ['a name that is an object', { metadata: { name: {} } }, ['metadata.name']],
    ['a snapshot without a name', { spec: { source: { snapshot: {} } } }, ['spec.source.snapshot.name']],
    [
      'sizes that are a text',
      { spec: { storage: { resources: { requests: 'big' } } } },
      ['spec.storage.resources.requests'],
    ],
  ])('is not that of %s', (_, changes, fields) => {
    expect(fieldsOf(changes)).toEqual(fields);
  });
});

describe('a member of a DataVolume', () => {
  it.each([
    ...['name', 'generateName', 'uid', 'creationTimestamp', 'deletionTimestamp'].map((key) => `metadata.${key}`),
    'spec.contentType',
    'spec.source.pvc',
    'spec.source.pvc.namespace',
    'spec.source.snapshot',
    'spec.source.snapshot.name',
    'spec.source.snapshot.namespace',
    'spec.sourceRef',
    'spec.sourceRef.kind',
    'spec.sourceRef.name',
    'spec.sourceRef.namespace',
  ])('%s is no number', (path) => {
    const [last = '', ...parents] = path.split('.').toReversed();
    const object = parents.reduce<object>((child, key) => ({ [key]: child }), { [last]: 7 });
    const { faults = [] } = readVolume({ spec: {}, ...object }, 'tenant-a');
    expect(faults.map(({ field }) => field)).toContain(path);
  });
});

describe('names', () => {
  it.each(['a', 'a.b-c', '1', 'x'.repeat(253)])('%s is one', (name) => expect(isName(name)).toBe(true));
  it.each(['', '.', '..', 'a..b', '-a', 'a-', 'A', 'a_b', 'a/b', 'a\n', 'ä', 'x'.repeat(254), 1, null])(
    '%s is none',
    (name) => expect(isName(name)).toBe(false),
  );
  it.each(['a.b', '', 'n'.repeat(64), undefined])('%s is none of a namespace', (name) =>
    expect(isNamespace(name)).toBe(false),
  );
});
