import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { reservedAnnotations } from '../../../shared/api/names.ts';
import { until } from '../../support/cluster/until.ts';
import { admin, clone, controller, nobody, openWorld, type Person, pvc, type World } from './world.ts';

/** With no webhook at all: what was authorized at CREATE stays as it was, and nothing else is held up. */

let world: World;
const cloner: Person = { name: 'cloner', groups: ['system:authenticated'] };
const impostor: Person = { name: 'system:serviceaccount:others:clonegate-controller' };

beforeAll(async () => {
  world = await openWorld();
  await world.grant(world.golden, { user: cloner.name }, '--clusterrole=clonegate-clone-sourcer');
});
afterAll(async () => await world[Symbol.asyncDispose]());

const prePopulated = 'cdi.kubevirt.io/storage.prePopulated';
const checkStaticVolume = 'cdi.kubevirt.io/storage.checkStaticVolume';
const annotate = (annotations: object): object => ({ metadata: { annotations } });
const size = (storage: string | number): object => ({ spec: { storage: { resources: { requests: { storage } } } } });
const dataSource = { kind: 'DataSource', name: 'windows' };
const fromWeb = { source: { http: { url: 'https://example.com/a.img' } } };
const stamped = Object.fromEntries(reservedAnnotations.map((key) => [key, 'ours']));
const golden = (): object => clone(pvc(world.golden), { annotations: { ...stamped, note: 'a' }, labels: { a: 'b' } });

async function nameOf(made: Promise<DataVolume>): Promise<string> {
  return (await made).metadata.name ?? '';
}

type Row = readonly [what: string, fields: string, change: object];

const refusedAs = (answer: string): object => ({
  code: answer.startsWith('SpecImmutable') ? 422 : 403,
  message: expect.stringContaining(`denied request: ${answer}`),
});
const allowed = { code: 200, message: '' };

describe('somebody without any right to clone', () => {
  test.each<readonly [string, object]>([
    ['a label', { metadata: { labels: { a: 'c' } } }],
    ['an annotation of their own', annotate({ note: null, other: 'x' })],
    ['a finalizer', { metadata: { finalizers: ['example.com/wait'] } }],
    ['an owner', { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'y' }] } }],
    ['the wish for a strategy, which counts no more', annotate({ 'clonegate.io/strategy': 'copy' })],
    ['a size written in another unit', size('1024Mi')],
    ['a size written as a number', size(1_073_741_824)],
    ['nothing', {}],
  ])('may change %s', async (_, change) => {
    expect(await world.patch(nobody, await nameOf(world.existing(golden())), change)).toMatchObject(allowed);
  });

  test.each<Row>([
    ['the size', 'spec.storage', size('2Gi')],
    ['the size to less', 'spec.storage', size('512Mi')],
    ['the size by one byte', 'spec.storage', size(1_073_741_825)],
    ['the class', 'spec.storage', { spec: { storage: { storageClassName: 'fast' } } }],
    ['a limit', 'spec.storage', { spec: { storage: { resources: { limits: { storage: '1Gi' } } } } }],
    ['another size', 'spec.storage', { spec: { storage: { resources: { requests: { other: '1Gi' } } } } }],
    ['that there is a size', 'spec.storage', { spec: { storage: { resources: null } } }],
    [
      'storage into pvc',
      'spec.pvc, spec.storage',
      { spec: { storage: null, pvc: { accessModes: ['ReadWriteOnce'] } } },
    ],
    ['the content', 'spec.contentType', { spec: { contentType: 'archive' } }],
    ['the source', 'spec.source', { spec: { source: { pvc: { name: 'win11' } } } }],
    ['a clone into an import', 'spec.source', { spec: { source: { pvc: null, ...fromWeb.source } } }],
    ['the source into a DataSource', 'spec.source', { spec: { source: null, sourceRef: dataSource } }],
  ])('may not change %s', async (_, fields, change) => {
    const name = await nameOf(world.existing(golden()));
    expect(await world.patch(nobody, name, change)).toMatchObject(refusedAs(`SpecImmutable: ${fields}`));
  });

  test('may not change an import into a clone', async () => {
    const name = await nameOf(world.existing(clone(fromWeb)));
    const change = { spec: { source: { http: null, pvc: { namespace: world.golden, name: 'win10' } } } };
    expect(await world.patch(nobody, name, change)).toMatchObject(refusedAs('SpecImmutable: spec.source'));
  });

  test('may do as they like with what is no clone', async () => {
    const name = await nameOf(world.existing(clone(fromWeb)));
    expect(await world.patch(nobody, name, { ...annotate(stamped), ...size('2Gi') })).toMatchObject(allowed);
  });

  test('changes nothing but the status by way of the status', async () => {
    const name = await nameOf(world.existing(golden()));
    const change = { status: { phase: 'Pending' }, ...annotate({ 'clonegate.io/stamp': 'forged' }) };
    const { code, object } = await world.patch(nobody, name, change, '/status');
    expect(code).toBe(200);
    expect(object).toMatchObject({ status: { phase: 'Pending' }, ...annotate(stamped) });
  });
});

describe('the right to clone', () => {
  test('does not let its owner change the spec either, and every member is named', async () => {
    const name = await nameOf(world.existing(golden()));
    const change = { spec: { contentType: 'archive', storage: { volumeMode: 'Block' } } };
    const { message } = await world.patch(cloner, name, change);
    expect(message).toMatch(/SpecImmutable: (?:spec\.\w+, ){1}spec\.\w+: cannot be changed after creation; delete/);
    expect(message).toContain('spec.storage');
    expect(message).toContain('spec.contentType');
    const moved = { spec: { source: { pvc: { name: 'win11' } } } };
    expect(await world.patch(cloner, name, moved)).toMatchObject(refusedAs('SpecImmutable: spec.source'));
  });
});

describe('our annotations', () => {
  const changes = reservedAnnotations.flatMap((key) => [
    [key, 'added', () => clone(pvc(world.golden)), annotate({ [key]: 'forged' })] as const,
    [key, 'changed', golden, annotate({ [key]: 'forged' })] as const,
    [key, 'removed', golden, annotate({ [key]: null })] as const,
    [key, 'removed with all others', golden, annotate({ '*': null })] as const,
  ]);

  test.each(changes)('%s is %s by the controller alone', async (key, how, before, change) => {
    const name = await nameOf(world.existing(before()));
    const wanted = how === 'removed with all others' ? { metadata: { annotations: null } } : change;
    const reason = new RegExp(`denied request: ReservedAnnotation: user "nobody" may not change .*${key}.*: only`);
    expect(await world.patch(nobody, name, wanted)).toMatchObject({
      code: 403,
      message: expect.stringMatching(reason),
    });
    expect(await world.patch(controller, name, wanted)).toMatchObject(allowed);
  });

  test.each([
    ['its namesake of another namespace', impostor],
    ['the admin', admin],
    ['somebody who may clone', cloner],
  ])('are kept from %s', async (_, who) => {
    const name = await nameOf(world.existing(golden()));
    const forged = annotate({ 'clonegate.io/stamp': 'forged' });
    expect(await world.patch(who, name, forged)).toMatchObject(refusedAs('ReservedAnnotation'));
  });

  test('may stay as they are while others change', async () => {
    const name = await nameOf(world.existing(golden()));
    expect(await world.patch(nobody, name, annotate({ ...stamped, note: 'b' }))).toMatchObject(allowed);
  });

  test('give the controller no right to change the spec', async () => {
    const name = await nameOf(world.existing(golden()));
    expect(await world.patch(controller, name, size('2Gi'))).toMatchObject(refusedAs('SpecImmutable'));
  });

  test('are within reach of the controller with the token and the rights that its manifest gives', async () => {
    const name = await nameOf(world.existing(clone(pvc(world.golden))));
    const answer = await world.asController(name, annotate({ 'cdi.kubevirt.io/cloneType': 'copy' }));
    expect(answer).toMatchObject({ code: 200, object: annotate({ 'cdi.kubevirt.io/cloneType': 'copy' }) });
  });
});

describe('a DataVolume that was exempt when it was created', () => {
  const exempt = (key: string, source = pvc(world.golden)): object => clone(source, { annotations: { [key]: 'x' } });
  test.each([prePopulated, checkStaticVolume])('is checked when %s is dropped', async (key) => {
    const name = await nameOf(world.existing(exempt(key)));
    expect(await world.patch(nobody, name, { metadata: { labels: { a: 'b' } } })).toMatchObject(allowed);
    expect(await world.patch(nobody, name, annotate({ [key]: null }))).toMatchObject(refusedAs('CloneDenied'));
    expect(await world.patch(cloner, name, annotate({ [key]: null }))).toMatchObject(allowed);
  });

  test('stays exempt by another of the two annotations, and is still checked when that one goes', async () => {
    const name = await nameOf(world.existing(exempt(prePopulated)));
    const moved = annotate({ [prePopulated]: null, [checkStaticVolume]: '' });
    expect(await world.patch(nobody, name, moved)).toMatchObject(allowed);
    expect(await world.patch(nobody, name, { metadata: { annotations: null } })).toMatchObject(
      refusedAs('CloneDenied'),
    );
  });

  test('is not admitted by a DataSource afterwards: that takes a stamp', async () => {
    const name = await nameOf(world.existing(exempt(prePopulated, { sourceRef: dataSource })));
    expect(await world.patch(cloner, name, annotate({ [prePopulated]: null }))).toMatchObject(
      refusedAs('StampMissing'),
    );
  });

  test('keeps its source', async () => {
    const name = await nameOf(world.existing(exempt(prePopulated)));
    const change = { spec: { source: { pvc: { name: 'win11' } } } };
    expect(await world.patch(nobody, name, change)).toMatchObject(refusedAs('SpecImmutable: spec.source: '));
  });
});

test('the audit log tells what was asked for, whether it was refused, and by which policy', async () => {
  const name = 'told';
  await world.create(nobody, clone(pvc(world.golden), { name }));
  await world.existing(clone(pvc(world.golden), { name }));
  await world.patch(nobody, name, { metadata: { annotations: { 'clonegate.io/stamp': 'forged' } } });
  const told = await until('three requests in the audit log', async () => {
    const entries = await world.auditOf(name);
    return entries.length >= 3 && entries;
  });
  const failure = 'validation.policy.admission.k8s.io/validation_failure';
  const asked = { 'clonegate-clone-source/asked': `PersistentVolumeClaim ${world.golden}/win10` };
  expect(told).toMatchObject([
    { ...asked, [failure]: expect.stringContaining('CloneDenied: user \\"nobody\\" may not clone') },
    asked,
    {
      'clonegate-guard-annotations/changed': 'clonegate.io/stamp',
      [failure]: expect.stringContaining('"policy":"clonegate-guard-annotations"'),
    },
  ]);
  expect(told[1]).not.toHaveProperty(failure);
});
