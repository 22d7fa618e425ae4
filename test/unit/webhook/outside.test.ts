import { expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { claims, dataSources } from '../../../shared/kube/resource.ts';
import { claim } from '../../support/build/storage.ts';
import {
  admit,
  annotate,
  call,
  cloneByReference,
  cloneOf,
  createReview,
  newWorld,
  putDataSource,
  updateReview,
  viaDataSource,
  type World,
} from './world.ts';

/** Where only some namespaces are served, the others are neither asked about nor looked at. */

async function serving(...namespaces: readonly string[]): Promise<World> {
  const world = newWorld({ namespaces });
  await world.put(claims, claim());
  return world;
}

const stampOf = ({ metadata }: DataVolume) => metadata.annotations?.[annotations.stamp];

it('a clone between namespaces that are served is admitted', async () => {
  const world = await serving('golden', 'tenant-a');
  const { stored, ruling } = await admit(world, cloneOf());
  expect(ruling.response.allowed).toBe(true);
  expect(stampOf(stored)).toBeDefined();
});

it.each([
  ['the source', ['tenant-a'], 'golden', 'spec.source.pvc.namespace', 'of the PersistentVolumeClaim to clone'],
  ['the DataVolume', ['golden'], 'tenant-a', 'metadata.namespace', 'of the DataVolume'],
])('a clone is refused when %s is elsewhere, without a question and without a read', async (...row) => {
  const [, namespaces, name, field, whose] = row;
  const world = await serving(...namespaces);
  const before = world.api.calls.length;
  const { mutated, ruling } = await admit(world, annotate(cloneOf(), { [annotations.stamp]: 'of my own' }));

  expect(stampOf(mutated)).toBeUndefined();
  expect(ruling.response).toMatchObject({ allowed: false, status: { code: 422, reason: 'Invalid' } });
  expect(ruling.response.status?.message).toMatch(/^NamespaceNotServed: /);
  expect(ruling.response.status?.message).toContain(`namespace ${name} is none of those that this Clonegate serves`);
  expect(ruling.response.status?.message).toContain(`it is the namespace ${whose}`);
  expect(ruling.response.status?.message).toContain('--namespaces');
  expect(ruling.response.status?.details?.causes).toMatchObject([{ field, reason: 'NamespaceNotServed' }]);
  expect([world.asked, world.api.calls.length]).toEqual([[], before]);
});

it('the refusal is the same whether the source exists or not, and whoever asks', async () => {
  const world = await serving('tenant-a');
  const missing = cloneOf({ source: { pvc: { namespace: 'golden', name: 'missing' } } });
  const { ruling: there } = await admit(world, cloneOf());
  world.answer = 'no';
  const { ruling: notThere } = await admit(world, missing);
  expect(notThere.response).toEqual(there.response);
});

it('a DataSource elsewhere is refused by its own namespace', async () => {
  const { ruling } = await admit(await serving('tenant-a'), cloneByReference());
  expect(ruling.response.status?.details?.causes).toMatchObject([{ field: 'spec.sourceRef.namespace' }]);
});

it('a DataSource that leads elsewhere is answered as one that leads nowhere, and only administrators learn where', async () => {
  const leading = await serving('golden', 'tenant-a');
  await putDataSource(leading, { namespace: 'vault', name: 'secret' });
  await leading.put(claims, { ...claim(), metadata: { namespace: 'vault', name: 'secret' } });
  const nowhere = await serving('golden', 'tenant-a');
  await nowhere.put(dataSources, { metadata: { namespace: 'golden', name: 'latest' }, spec: { source: {} } });

  const [led, lost] = [await admit(leading, cloneByReference()), await admit(nowhere, cloneByReference())];

  expect(stampOf(led.mutated)).toBeUndefined();
  expect(led.ruling.response).toEqual(lost.ruling.response);
  expect(led.ruling.response.status?.message).toMatch(/^CloneDenied: /);
  expect(leading.asked).toEqual(nowhere.asked);
  expect(leading.asked.map(({ source }) => source.namespace)).not.toContain('vault');
  expect(led.ruling.about).toMatchObject({ access: 'denied', source: { namespace: 'vault', name: 'secret' } });
  expect(lost.ruling.about).not.toHaveProperty('source');

  const [mutated, unled] = await Promise.all(
    [leading, nowhere].map(({ mutate }) => call(mutate, createReview(cloneByReference()))),
  );
  expect(mutated?.response).toEqual(unled?.response);
  expect(mutated?.about).toMatchObject({ access: 'denied', source: { namespace: 'vault', name: 'secret' } });
  expect(unled?.about).not.toHaveProperty('source');
});

it('a DataSource elsewhere that another one names is not read either', async () => {
  const world = await serving('golden', 'tenant-a');
  const spec = { source: { dataSource: { namespace: 'vault', name: 'latest' } } };
  await world.put(dataSources, { metadata: { namespace: 'golden', name: 'latest' }, spec });
  world.api.calls.length = 0;

  const { ruling } = await admit(world, cloneByReference());

  expect(ruling.response.status?.message).toMatch(/^CloneDenied: /);
  expect(world.api.calls.map(({ namespace }) => namespace)).not.toContain('vault');
  expect(world.api.calls.length).toBeGreaterThan(0);
});

const existing = { [annotations.prePopulated]: 'disk' };

it('what takes a volume that exists is let in without a stamp, as ever, and does not become a clone later', async () => {
  const world = await serving('tenant-a');
  const { stored, ruling } = await admit(world, annotate(cloneOf(), existing));
  expect([ruling.response.allowed, stampOf(stored)]).toEqual([true, undefined]);

  const { response } = await call(world.validate, updateReview(annotate(cloneOf(), existing), cloneOf()));
  expect(response.status?.message).toMatch(/^NamespaceNotServed: /);
  expect(world.asked).toEqual([]);
});

it('a namespace that a DataSource leaves out is its own', async () => {
  const world = await serving('golden', 'tenant-a');
  await putDataSource(world, { name: 'fedora' });
  const { ruling } = await admit(world, cloneByReference(viaDataSource.sourceRef));
  expect(ruling.response.allowed).toBe(true);
});
