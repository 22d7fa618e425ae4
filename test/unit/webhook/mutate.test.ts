import { describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { claims, volumeSnapshots } from '../../../shared/kube/resource.ts';
import { createServed } from '../../../shared/kube/served.ts';
import { StampError, verifyStamp } from '../../../shared/trust/stamp.ts';
import { parseReview } from '../../../webhook/review.ts';
import { claim } from '../../support/build/storage.ts';
import {
  annotate,
  call,
  cloneByReference,
  cloneOf,
  controllerVerifier,
  createReview,
  decisionOf,
  jane,
  newWorld,
  operationsOf,
  patchedBy,
  putDataSource,
  updateReview,
  type World,
  worldWithSource,
} from './world.ts';

const forged = {
  [annotations.cloneType]: 'copy',
  [annotations.decision]: '{}',
  [annotations.stamp]: 'x.y.z',
  [annotations.copy]: '{}',
  [annotations.digest]: 'sha256:0',
};
const ours = [annotations.cloneType, annotations.decision, annotations.stamp];

/** What a stamp says to the controller. */
async function stampOf({ mutate }: World, volume: DataVolume) {
  const { metadata } = patchedBy(volume, (await call(mutate, createReview(volume))).response);
  return await verifyStamp(controllerVerifier, metadata.annotations?.[annotations.stamp]);
}

describe('mutate, for somebody who may clone', () => {
  it('writes strategy, decision and stamp, and nothing else', async () => {
    const world = await worldWithSource();
    const volume = cloneOf({}, { annotations: { mine: 'kept' } });
    const { response } = await call(world.mutate, createReview(volume));
    const mutated = patchedBy(volume, response);
    expect(mutated).toEqual(annotate(volume, { ...mutated.metadata.annotations }));
    expect(Object.keys(mutated.metadata.annotations ?? {}).toSorted()).toEqual(['mine', ...ours].toSorted());
    expect(mutated.metadata.annotations?.[annotations.cloneType]).toBe('csi-clone');
    expect(decisionOf(mutated)).toMatchObject({ id: 'request-1', outcome: 'chosen', strategy: 'csi-clone' });
  });

  it('records the size of the target and all that the clone makes, for a dry run to show', async () => {
    const { response } = await call((await worldWithSource()).mutate, createReview(cloneOf(), { dryRun: true }));
    expect(decisionOf(patchedBy(cloneOf(), response))).toMatchObject({
      size: '10Gi',
      makes: [
        { namespace: 'tenant-a', claims: [{ size: '10Gi', class: 'fast' }] },
        { namespace: 'golden', claims: [{ size: '10Gi', class: 'fast', temporary: true }] },
      ],
    });
  });

  it('says nothing to the user', async () => {
    const { response } = await call((await worldWithSource()).mutate, createReview(cloneOf()));
    expect(response.warnings).toBeUndefined();
  });

  it('asks once, with all that identifies the user, about the source', async () => {
    const world = await worldWithSource();
    await call(world.mutate, createReview(cloneOf()));
    const source = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' };
    expect(world.asked).toEqual([{ user: jane, source }]);
  });

  it('reads to its end what it began to read for somebody without the right, for cutting it off would cost a connection', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    await call(world.mutate, createReview(cloneOf()));
    const reads = world.api.calls.filter(({ verb }) => verb === 'get');
    expect(reads.map(({ plural, signal }) => [plural, signal?.aborted])).toEqual([['persistentvolumeclaims', false]]);
  });

  it('reads the source once', async () => {
    const world = await worldWithSource();
    const before = world.api.calls.length;
    await call(world.mutate, createReview(cloneOf()));
    expect(world.api.calls.slice(before)).toMatchObject([{ verb: 'get', plural: 'persistentvolumeclaims' }]);
  });

  it('takes an empty source namespace for the own one', async () => {
    const world = newWorld();
    await call(world.mutate, createReview(cloneOf({ source: { pvc: { namespace: '', name: 'fedora' } } })));
    expect(world.asked).toMatchObject([{ source: { namespace: 'tenant-a', name: 'fedora' } }]);
  });

  it('overwrites what the user put in the place of our annotations', async () => {
    const world = await worldWithSource();
    const volume = annotate(cloneOf(), forged);
    const mutated = patchedBy(volume, (await call(world.mutate, createReview(volume))).response);
    for (const key of ours) expect(mutated.metadata.annotations?.[key]).not.toBe(forged[key]);
    for (const key of [annotations.copy, annotations.digest])
      expect(mutated.metadata.annotations).not.toHaveProperty([key]);
  });

  it('puts the decision off when the source does not exist, and takes away a strategy that the user chose', async () => {
    const volume = annotate(cloneOf(), forged);
    const mutated = patchedBy(volume, (await call(newWorld().mutate, createReview(volume))).response);
    expect(decisionOf(mutated)).toMatchObject({ outcome: 'deferred', reason: 'SourceNotFound' });
    expect(mutated.metadata.annotations).not.toHaveProperty(annotations.cloneType);
  });

  it('follows a DataSource to what it names', async () => {
    const world = await worldWithSource();
    await putDataSource(world, { name: 'fedora' });
    const { about, response } = await call(world.mutate, createReview(cloneByReference()));
    expect(world.asked).toMatchObject([{ source: { namespace: 'golden', name: 'fedora' } }]);
    expect(about).toMatchObject({ asked: { kind: 'DataSource', name: 'latest' }, record: { strategy: 'csi-clone' } });
    expect(operationsOf(response)).not.toEqual([]);
  });

  it('decides about a snapshot by reading the snapshot', async () => {
    const world = newWorld();
    await world.put(volumeSnapshots, { metadata: { namespace: 'golden', name: 'daily' } });
    const volume = cloneOf({ source: { snapshot: { namespace: 'golden', name: 'daily' } } });
    const { about } = await call(world.mutate, createReview(volume));
    expect(about?.record).toMatchObject({ outcome: 'deferred', reason: 'SourceNotBound' });
  });

  it('stamps which claim or snapshot it was, beyond the name', async () => {
    const world = await worldWithSource();
    const uid = await world.put(volumeSnapshots, { metadata: { namespace: 'golden', name: 'daily' } });
    const stamped = async (source: DataVolume['spec']['source'] & object) =>
      (await stampOf(world, cloneOf({ source }))).source.uid;
    expect(await stamped({ snapshot: { namespace: 'golden', name: 'daily' } })).toBe(uid);
    const { metadata } = world.api.read(claims, { namespace: 'golden', name: 'fedora' });
    expect(await stamped({ pvc: { namespace: 'golden', name: 'fedora' } })).toBe(metadata.uid);
    expect(await stamped({ pvc: { namespace: 'golden', name: 'gone' } })).toBeUndefined();
  });

  it('seals all that identifies the user, for the controller to ask about the same one', async () => {
    const { username: _, ...identity } = jane;
    expect((await stampOf(await worldWithSource(), cloneOf())).identity).toEqual(identity);
  });

  it('stamps the decision along with it, unless that is put off and made by the controller', async () => {
    expect(await stampOf(await worldWithSource(), cloneOf())).toHaveProperty('decisionDigest');
    expect(await stampOf(newWorld(), cloneOf())).not.toHaveProperty('decisionDigest');
  });

  it('records a refusal that concerns the object, for validate to pronounce', async () => {
    const world = newWorld();
    await world.put(
      claims,
      claim({ spec: { resources: { requests: { storage: '20Gi' } } }, status: { capacity: { storage: '20Gi' } } }),
    );
    const { response, about } = await call(world.mutate, createReview(cloneOf()));
    expect(response.allowed).toBe(true);
    expect(about?.record).toMatchObject({ outcome: 'refused', reason: 'TargetTooSmall' });
  });

  it('reads a size that is written as a number', async () => {
    const world = await worldWithSource();
    const volume = cloneOf();
    const storage = { ...volume.spec.storage, resources: { requests: { storage: 10 * 2 ** 30 } } };
    const { about } = await call(world.mutate, createReview({ ...volume, spec: { ...volume.spec, storage } }));
    expect(about?.record).toMatchObject({ strategy: 'csi-clone' });
  });

  it('leaves word when the identity of the user does not fit into a stamp', async () => {
    const world = await worldWithSource();
    const groups = Array.from({ length: 4000 }, (_, index) => `${index}-${crypto.randomUUID()}`);
    const { response, about } = await call(world.mutate, createReview(cloneOf(), { user: { ...jane, groups } }));
    expect(about?.record).toMatchObject({ outcome: 'refused', reason: 'StampTooLarge' });
    expect(patchedBy(cloneOf(), response).metadata.annotations).not.toHaveProperty(annotations.stamp);
  });
});

describe('mutate, called again for the same request', () => {
  it.each([
    ['a name', {}],
    ['a name to be generated', { name: '', generateName: 'disk-' }],
  ])('changes nothing when it has nothing else to say (%s)', async (_, metadata) => {
    const world = await worldWithSource();
    const volume = cloneOf({}, metadata);
    const mutated = patchedBy(volume, (await call(world.mutate, createReview(volume))).response);
    const again = await call(world.mutate, createReview(mutated, { uid: 'request-2' }));
    expect(operationsOf(again.response)).toEqual([]);
    expect(again.about?.record?.id).toBe('request-1');
  });

  it('changes nothing when the decision was put off', async () => {
    const world = newWorld();
    const mutated = patchedBy(cloneOf(), (await call(world.mutate, createReview(cloneOf()))).response);
    const again = await call(world.mutate, createReview(mutated, { uid: 'request-2' }));
    expect(operationsOf(again.response)).toEqual([]);
  });

  it('decides anew when another webhook has changed what the decision depends on', async () => {
    const world = await worldWithSource();
    const mutated = patchedBy(cloneOf(), (await call(world.mutate, createReview(cloneOf()))).response);
    const smaller = {
      ...mutated,
      spec: cloneOf({
        storage: { storageClassName: 'fast', volumeMode: 'Block', resources: { requests: { storage: '1Gi' } } },
      }).spec,
    };
    const again = await call(world.mutate, createReview(smaller, { uid: 'request-2' }));
    expect(again.about?.record).toMatchObject({ id: 'request-2', outcome: 'refused' });
  });

  it.each([
    ['another user', async () => createReview(cloneOf(), { user: { ...jane, username: 'joe' } })],
    ['another target', async () => createReview(cloneOf({}, { name: 'other' }))],
  ])('makes a new stamp when the first was made for %s', async (_, other) => {
    const world = await worldWithSource();
    const first = patchedBy(cloneOf(), (await call(world.mutate, createReview(cloneOf()))).response);
    const body = await other();
    const carrying = {
      ...body,
      request: {
        ...body.request,
        object: annotate(body.request.object as ReturnType<typeof cloneOf>, { ...first.metadata.annotations }),
      },
    };
    const { response } = await call(world.mutate, carrying);
    expect(operationsOf(response).map(({ path }) => path)).toContain('/metadata/annotations/clonegate.io~1stamp');
  });

  it('makes a new stamp when the source was made anew, or when the old one is of another hour', async () => {
    const world = await worldWithSource();
    const mutated = patchedBy(cloneOf(), (await call(world.mutate, createReview(cloneOf()))).response);
    await world.clock.advance(60_000);
    const early = await call(world.mutate, createReview(mutated, { uid: 'request-2' }));
    expect(operationsOf(early.response)).toEqual([]);
    await world.clock.advance(1000);
    const late = await call(world.mutate, createReview(mutated, { uid: 'request-2' }));
    expect(late.about?.record?.id).toBe('request-2');
    const stamped = patchedBy(mutated, late.response);
    world.api.remove(claims, { namespace: 'golden', name: 'fedora' });
    await world.put(claims, claim());
    expect((await call(world.mutate, createReview(stamped, { uid: 'request-3' }))).about?.record?.id).toBe('request-3');
  });

  it.each([
    ['the strategy', { [annotations.cloneType]: 'copy' }],
    ['the stamp', { [annotations.stamp]: 'x.y.z' }],
  ])('puts back %s that another webhook has altered', async (_, altered) => {
    const world = await worldWithSource();
    const mutated = patchedBy(cloneOf(), (await call(world.mutate, createReview(cloneOf()))).response);
    const body = createReview(annotate(mutated, altered), { uid: 'request-2' });
    const again = await call(world.mutate, body);
    expect(again.about?.record?.id).toBe('request-2');
    expect(patchedBy(body.request.object as DataVolume, again.response).metadata.annotations).not.toMatchObject(
      altered,
    );
  });

  it('asks again, and takes the stamp away from somebody who has lost the right', async () => {
    const world = await worldWithSource();
    const mutated = patchedBy(cloneOf(), (await call(world.mutate, createReview(cloneOf()))).response);
    world.answer = 'no';
    const again = patchedBy(mutated, (await call(world.mutate, createReview(mutated))).response);
    for (const key of ours) expect(again.metadata.annotations).not.toHaveProperty(key);
  });
});

describe('mutate, for somebody who may not clone', () => {
  it('lets the object pass unstamped, without a word', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    expect((await call(world.mutate, createReview(cloneOf()))).response).toEqual({ uid: 'request-1', allowed: true });
  });

  it('answers the same whether the source exists or not', async () => {
    const there = await worldWithSource();
    const gone = newWorld();
    there.answer = 'no';
    gone.answer = 'no';
    const volume = annotate(cloneOf(), forged);
    const [one, other] = await Promise.all([there, gone].map(({ mutate }) => call(mutate, createReview(volume))));
    expect(one?.response).toEqual(other?.response);
  });

  it('answers before the source is read, so that the time does not tell either', async () => {
    const world = newWorld();
    world.answer = 'no';
    const never = new Promise<never>(() => undefined);
    const { createMutate } = await import('../../../webhook/mutate.ts');
    const client = { get: async () => await never };
    const parts = { client, ask: async () => ({ allowed: false }), served: createServed([]) };
    // Only these are reached on this way.
    const mutate = createMutate(parts as unknown as Parameters<typeof createMutate>[0]);
    expect(await call(mutate, createReview(cloneOf()))).toMatchObject({
      response: { allowed: true },
      about: { access: 'denied' },
    });
  });

  it('takes away annotations of ours that the user wrote', async () => {
    const world = newWorld();
    world.answer = 'no';
    const volume = annotate(cloneOf(), { ...forged, mine: 'kept' });
    const mutated = patchedBy(volume, (await call(world.mutate, createReview(volume))).response);
    expect(mutated.metadata.annotations).toEqual({ mine: 'kept' });
  });

  it('leaves a clone by a DataSource that does not exist unstamped', async () => {
    const { response } = await call(newWorld().mutate, createReview(cloneByReference()));
    expect(response).toEqual({ uid: 'request-1', allowed: true });
  });
});

describe('mutate, when something fails', () => {
  it('leaves the clone unstamped and reports why', async () => {
    const world = await worldWithSource();
    const error = new ApiError('overloaded', { code: 503, reason: 'ServiceUnavailable' });
    world.answer = error;
    const volume = annotate(cloneOf(), forged);
    const { response, about } = await call(world.mutate, createReview(volume));
    expect(patchedBy(volume, response).metadata.annotations).toEqual({});
    expect(about?.error).toBe(error);
  });
});

describe('mutate, for a clone without any name', () => {
  it('leaves it unstamped, without a word that would look like a decision', async () => {
    const volume = cloneOf({}, { name: '' });
    const { response, about } = await call((await worldWithSource()).mutate, createReview(volume));
    expect(operationsOf(response)).toEqual([]);
    expect(about?.error).toBeInstanceOf(StampError);
  });
});

describe('mutate, for what is none of its business', () => {
  it.each([
    ['an import', createReview(cloneOf({ source: { http: { url: 'http://example.com/disk.img' } } }))],
    ['an update', updateReview(cloneOf(), cloneOf())],
    ['a clone that validate refuses at sight', createReview(cloneOf({ contentType: 'tape' }))],
    ['a spec of another shape', createReview({ ...cloneOf(), spec: 'clone it' })],
    ['no spec', createReview({ ...cloneOf(), spec: undefined })],
  ])('lets %s pass as it is', async (_, body) => {
    const world = await worldWithSource();
    const review = parseReview(body);
    const untouched = { response: { uid: 'request-1', allowed: true } };
    expect(await world.mutate.rule(review, new AbortController().signal)).toEqual(untouched);
    expect(world.mutate.fail(review, new Error('too late'))).toEqual(untouched);
    expect(world.asked).toEqual([]);
  });
});
