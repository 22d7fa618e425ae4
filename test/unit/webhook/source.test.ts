import { describe, expect, it } from 'vitest';
import type { DataSource, DataVolume } from '../../../shared/api/datavolume.ts';
import type { KubeObject } from '../../../shared/api/objects.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { dataSources, type Resource } from '../../../shared/kube/resource.ts';
import { createServed } from '../../../shared/kube/served.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { askAbout, createAsk } from '../../../webhook/access.ts';
import type { Known } from '../../../webhook/known.ts';
import { askedOf, resolveSource } from '../../../webhook/source.ts';
import { FakeClock } from '../../support/clock.ts';
import { MemoryApi } from '../../support/memory-client.ts';
import {
  admit,
  cloneByReference,
  cloneOf,
  jane,
  newWorld,
  putDataSource,
  type World,
  worldWithSource,
} from './world.ts';

type Named = NonNullable<DataSource['spec']['source']>;

/** Follows golden/latest through these DataSources. */
async function follow(sources: Readonly<Record<string, Named>>, volume: DataVolume = cloneByReference()) {
  const find = ({ namespace, name }: { namespace: string; name: string }) => {
    const source = sources[`${namespace}/${name}`];
    return source === undefined ? undefined : { metadata: { namespace, name }, spec: { source } };
  };
  return await resolveSource(volume, find, createServed([]));
}

const claim = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' };

describe('the source', () => {
  it.each<[string, DataVolume['spec']['source'] & object, object, string]>([
    ['a claim', { pvc: { namespace: 'golden', name: 'fedora' } }, claim, 'spec.source.pvc'],
    [
      'a snapshot',
      { snapshot: { namespace: 'golden', name: 'daily' } },
      { kind: 'VolumeSnapshot', namespace: 'golden', name: 'daily' },
      'spec.source.snapshot',
    ],
    [
      'one of the same namespace',
      { pvc: { name: 'own' } },
      { ...claim, namespace: 'tenant-a', name: 'own' },
      'spec.source.pvc',
    ],
    [
      'one with an empty namespace',
      { pvc: { namespace: '', name: 'own' } },
      { ...claim, namespace: 'tenant-a', name: 'own' },
      'spec.source.pvc',
    ],
  ])('is %s, as the DataVolume names it', async (_, source, found, field) => {
    expect(await follow({}, cloneOf({ source }))).toEqual({ asked: { ...found, field }, source: found });
  });

  it('is none of what is no clone', () => {
    expect(() => askedOf(cloneOf({ source: { blank: {} } }))).toThrow('names no source to clone');
  });

  it.each<[string, Readonly<Record<string, Named>>, object | undefined]>([
    ['names a claim', { 'golden/latest': { pvc: { namespace: 'golden', name: 'fedora' } } }, claim],
    [
      'names a snapshot',
      { 'golden/latest': { snapshot: { namespace: 'vault', name: 's' } } },
      { kind: 'VolumeSnapshot', namespace: 'vault', name: 's' },
    ],
    [
      "leaves out the namespace, which is then the DataSource's and not the DataVolume's",
      { 'golden/latest': { pvc: { namespace: '', name: 'fedora' } } },
      claim,
    ],
    [
      'names another one',
      {
        'golden/latest': { dataSource: { namespace: 'golden', name: 'fedora-42' } },
        'golden/fedora-42': { pvc: { namespace: 'golden', name: 'fedora' } },
      },
      claim,
    ],
    [
      "names another one, whose empty namespace is that one's own",
      {
        'golden/latest': { dataSource: { namespace: 'vault', name: 'x' } },
        'vault/x': { snapshot: { namespace: '', name: 's' } },
      },
      { kind: 'VolumeSnapshot', namespace: 'vault', name: 's' },
    ],
    [
      'names one that names yet another one, which is one too many',
      {
        'golden/latest': { dataSource: { namespace: 'golden', name: 'b' } },
        'golden/b': { dataSource: { namespace: 'golden', name: 'c' } },
        'golden/c': { pvc: { namespace: 'golden', name: 'fedora' } },
      },
      undefined,
    ],
    ['names itself', { 'golden/latest': { dataSource: { namespace: '', name: 'latest' } } }, undefined],
    ['names one that does not exist', { 'golden/latest': { dataSource: { namespace: '', name: 'gone' } } }, undefined],
    ['names nothing', { 'golden/latest': {} }, undefined],
    ['does not exist', {}, undefined],
    ['names what is no name', { 'golden/latest': { pvc: { namespace: 'golden', name: '../x' } } }, undefined],
    ['names what is no namespace', { 'golden/latest': { pvc: { namespace: 'a/b', name: 'x' } } }, undefined],
    [
      'names a DataSource that is no name',
      { 'golden/latest': { dataSource: { namespace: 'golden', name: '..' } } },
      undefined,
    ],
  ])('by a DataSource that %s', async (_, sources, source) => {
    const asked = { kind: 'DataSource', namespace: 'golden', name: 'latest', field: 'spec.sourceRef' };
    const via = { namespace: 'golden', name: 'latest' };
    expect(await follow(sources)).toStrictEqual({ asked, via, ...(source === undefined ? {} : { source }) });
  });
});

/** What was read of the API server during a create. */
async function reads(world: World, volume: DataVolume): Promise<{ allowed: boolean; read: string[]; asked: string[] }> {
  const before = world.api.calls.length;
  const { ruling } = await admit(world, volume);
  const read = world.api.calls.slice(before).map(({ verb, plural, name }) => `${verb} ${plural} ${name}`);
  const asked = world.asked.map(({ source }) => `${source.namespace}/${source.name}`);
  return { allowed: ruling.response.allowed, read, asked };
}

describe('a clone by a DataSource', () => {
  it('costs one question and one read, like any other', async () => {
    const world = await worldWithSource();
    await putDataSource(world, { name: 'fedora' });
    expect(await reads(world, cloneByReference())).toEqual({
      allowed: true,
      read: ['get persistentvolumeclaims fedora'],
      asked: ['golden/fedora'],
    });
  });

  it('that was made a moment ago is read anew for somebody who may clone from its namespace', async () => {
    const world = await worldWithSource();
    await putDataSource(world, { name: 'fedora' });
    world.unseen = [dataSources];
    expect(await reads(world, cloneByReference())).toEqual({
      allowed: true,
      read: ['get datasources latest', 'get persistentvolumeclaims fedora'],
      asked: ['golden/latest', 'golden/fedora'],
    });
  });

  it('that is not known is not read for anybody else, who gets the answer to one that leads to what is denied', async () => {
    const answers = await Promise.all(
      [true, false].map(async (exists) => {
        const world = await worldWithSource();
        if (exists) await putDataSource(world, { name: 'fedora' });
        else world.unseen = [dataSources];
        world.answer = 'no';
        const { ruling } = await admit(world, cloneByReference());
        expect(world.api.calls.filter(({ plural }) => plural === 'datasources')).toHaveLength(exists ? 1 : 0);
        return { response: ruling.response, questions: world.asked.length };
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
  });

  it('that cannot be read is an error, and not a "no"', async () => {
    const world = newWorld();
    world.trouble = new ApiError('etcd is away', { code: 500, reason: 'InternalError' });
    const { response } = (await admit(world, cloneByReference())).ruling;
    expect(response.status?.message).toMatch(/^CloneAuthorizationFailed: /);
  });
});

/** Puts questions by CDI's looser rules to an authorizer. */
function looselyAsking(authorizer: () => { allowed: boolean }) {
  const review = async <T extends KubeObject>(_: Resource<T>, object: T) => ({ ...object, status: authorizer() });
  const metrics = createMetrics({ process: false });
  const policy = { sameNamespace: 'skip', podCreatorsMayClone: true, reviews: 'cluster' } as const;
  return { ask: createAsk({ client: { review }, clock: new FakeClock(), metrics, policy }), metrics };
}

describe('a question', () => {
  it.each<[string, () => { allowed: boolean }]>([
    ['allowed', () => ({ allowed: true })],
    ['denied', () => ({ allowed: false })],
    [
      'error',
      () => {
        throw new ApiError('etcd is away', { code: 500, reason: 'InternalError' });
      },
    ],
  ])('is counted as %s', async (result, authorizer) => {
    const { ask, metrics } = looselyAsking(authorizer);
    const source = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' } as const;
    await Promise.allSettled([ask({ user: jane, source, into: 'tenant-a' }, new AbortController().signal)]);
    const counted = await metrics.registry.getSingleMetric('clonegate_authorization_reviews_total')?.get();
    expect(counted?.values.filter(({ value }) => value > 0)).toEqual([{ labels: { result }, value: 1 }]);
  });
});

describe("where CDI's looser rules hold", () => {
  /** The questions that it takes to find out that somebody without any right may not clone by the DataSource. */
  async function questions(volume: DataVolume, dataSource?: DataSource): Promise<number> {
    let put = 0;
    const { ask } = looselyAsking(() => {
      put += 1;
      return { allowed: false };
    });
    const known: Known = { dataSource: () => dataSource, namespace: () => undefined, hasClaim: () => false };
    const { signal } = new AbortController();
    const asking = { userInfo: jane, namespace: 'tenant-a' };
    const parts = { ask, client: new MemoryApi().client(), known, served: createServed([]) };
    const answered = await askAbout(parts, asking, volume, signal);
    expect(answered.access.allowed).toBe(false);
    return put;
  }

  it('a DataSource that leads nowhere takes as many questions as one that leads to what is denied', async () => {
    const own = { kind: 'DataSource', namespace: '', name: 'latest' };
    for (const volume of [cloneByReference(), cloneByReference(own)]) {
      const leading = await questions(volume, {
        metadata: {},
        spec: { source: { pvc: { namespace: 'x', name: 'y' } } },
      });
      expect(leading).toBe(2);
      expect(await questions(volume)).toBe(leading);
    }
  });
});
