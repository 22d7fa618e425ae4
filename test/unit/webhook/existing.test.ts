import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { claims, namespaces } from '../../../shared/kube/resource.ts';
import { claim } from '../../support/build/storage.ts';
import {
  admit,
  annotate,
  call,
  cloneByReference,
  cloneOf,
  completed,
  controllerUser,
  jane,
  newWorld,
  updateReview,
  type World,
  worldWithSource,
} from './world.ts';

const keys = [annotations.prePopulated, annotations.checkStaticVolume];
const warning = 'no stamp: Clonegate will not clone it; to have it cloned, create it anew without the annotation';

describe.each(keys)('a DataVolume with %s', (key) => {
  const volume = cloneOf({}, { annotations: { [key]: '' } });
  const unstamped = { uid: 'validating', allowed: true, warnings: [warning] };

  it('is let in without a stamp when its user may not clone', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    const { ruling, mutated } = await admit(world, volume);
    expect(ruling.response).toEqual(unstamped);
    expect(mutated).toEqual(volume);
  });

  it('is let in without a stamp when its DataSource does not exist, with the same words', async () => {
    const byReference = { ...cloneByReference(), metadata: volume.metadata };
    const { ruling, mutated } = await admit(newWorld(), byReference);
    expect(ruling.response).toEqual(unstamped);
    expect(mutated).toEqual(byReference);
  });

  it('is let in without a stamp when nobody can tell whether its user may clone', async () => {
    const world = await worldWithSource();
    world.answer = new ApiError('etcd is away', { code: 500, reason: 'InternalError' });
    expect((await admit(world, volume)).ruling.response).toEqual(unstamped);
  });

  it('does not keep a stamp of its own making', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    const { mutated } = await admit(world, annotate(volume, { [annotations.stamp]: 'mine' }));
    expect(mutated.metadata.annotations).toEqual({ [key]: '' });
  });

  it('is refused when another webhook gave it a stamp that does not hold', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    const { ruling } = await admit(world, volume, (mutated) => annotate(mutated, { [annotations.stamp]: 'a.b.c' }));
    expect(ruling.response.status?.message).toMatch(/^CloneDenied: /);
  });

  it('is stamped like any other when its user may clone', async () => {
    const { ruling, mutated } = await admit(await worldWithSource(), volume);
    expect(ruling.response).toEqual({ uid: 'validating', allowed: true });
    expect(mutated.metadata.annotations).toHaveProperty([annotations.stamp]);
  });

  it('is let in, without a stamp, when what it could clone does not fit', async () => {
    const small = cloneOf({ storage: { storageClassName: 'fast', resources: { requests: { storage: '1Gi' } } } });
    const { ruling, mutated } = await admit(await worldWithSource(), annotate(small, { [key]: 'yes' }));
    expect(ruling.response).toEqual(unstamped);
    expect(mutated.metadata.annotations).toEqual({ [key]: 'yes' });
  });

  it('is held to everything else that a DataVolume may say', async () => {
    const { ruling } = await admit(await worldWithSource(), {
      ...volume,
      spec: { ...volume.spec, contentType: 'tape' },
    });
    expect(ruling.response.status?.message).toMatch(/^CloneRejected: spec.contentType/);
  });
});

describe('taking the annotation away later', () => {
  const update = async (world: World, before: object, after: object, user = jane) =>
    (await call(world.validate, updateReview(before, after, { user }))).response;
  const stored = (world: World, own: Record<string, string>) => completed(world, cloneOf({}, { annotations: own }));

  it('takes the right to clone, and says that the clone is not stamped', async () => {
    const world = await worldWithSource();
    const response = await update(world, stored(world, { [annotations.prePopulated]: 'x' }), stored(world, {}));
    expect(response).toMatchObject({ allowed: true, warnings: [warning] });
    expect(world.asked).toMatchObject([{ user: jane, source: { namespace: 'golden', name: 'fedora' } }]);
  });

  it('has no word on a clone that is stamped', async () => {
    const world = await worldWithSource();
    const [before, after] = [
      { [annotations.prePopulated]: 'x', [annotations.stamp]: 's' },
      { [annotations.stamp]: 's' },
    ];
    expect(await update(world, stored(world, before), stored(world, after))).toEqual({
      uid: 'request-1',
      allowed: true,
    });
  });

  it('is refused to who lacks the right, also to the controller', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    for (const user of [jane, { username: controllerUser }]) {
      const response = await update(
        world,
        stored(world, { [annotations.checkStaticVolume]: '' }),
        stored(world, {}),
        user,
      );
      expect(response.status).toMatchObject({ code: 403, reason: 'Forbidden' });
      expect(response.status?.message).toMatch(
        /^CloneDenied: user .* may not clone PersistentVolumeClaim golden\/fedora/,
      );
      expect(response.status?.details?.causes.map(({ field }) => field)).toEqual(
        keys.map((key) => `metadata.annotations[${key}]`),
      );
    }
  });

  it('is refused when the DataSource has gone, in the words of a denial', async () => {
    const world = newWorld();
    const [before, after] = [{ [annotations.prePopulated]: '' }, {}].map((own) =>
      completed(world, { ...cloneByReference(), metadata: { name: 'disk', namespace: 'tenant-a', annotations: own } }),
    );
    expect((await update(world, before ?? {}, after ?? {})).status?.message).toMatch(/^CloneDenied: /);
  });

  interface Closed {
    readonly source?: Record<string, string>;
    readonly namespace?: Record<string, string>;
  }

  it.each<[string, Closed, RegExp]>([
    ['the source', { source: { [annotations.clone]: 'deny' } }, /PersistentVolumeClaim golden\/fedora lets nobody/],
    ['its namespace', { namespace: { [annotations.clone]: 'deny' } }, /namespace golden lets nobody clone/],
  ])('is refused, to who has the right, when %s is closed', async (_, { source = {}, namespace = {} }, words) => {
    const world = newWorld();
    await world.put(claims, claim({ annotations: source }));
    await world.put(namespaces, { metadata: { name: 'golden', annotations: namespace } });
    const change = [stored(world, { [annotations.prePopulated]: '' }), stored(world, {})] as const;
    const { status } = await update(world, ...change);
    expect(status).toMatchObject({ code: 403, message: expect.stringMatching(/^CloneVetoed: /) as string });
    expect(status?.message).toMatch(words);
    world.answer = 'no';
    expect((await update(world, ...change)).status?.message).toMatch(/^CloneDenied: /);
  });

  it('cannot be hidden in metadata that nobody can read', async () => {
    const world = await worldWithSource();
    const before = stored(world, { [annotations.prePopulated]: '' });
    const after = { ...before, metadata: { ...before.metadata, annotations: { other: 7 } } };
    expect((await update(world, before, after)).status?.message).toMatch(/^CloneRejected: metadata.annotations: /);
  });

  it('fails closed when nobody can tell', async () => {
    const world = await worldWithSource();
    world.answer = new ApiError('etcd is away', { code: 500, reason: 'InternalError' });
    const response = await update(world, stored(world, { [annotations.prePopulated]: '' }), stored(world, {}));
    expect(response.status).toMatchObject({ code: 503 });
  });

  it('asks nobody while another such annotation stays, or when one is added', async () => {
    const world = await worldWithSource();
    const [one, both] = [
      { [annotations.prePopulated]: '' },
      { [annotations.prePopulated]: '', [annotations.checkStaticVolume]: '' },
    ];
    for (const [before, after] of [
      [both, one],
      [one, both],
      [{}, one],
    ] as const)
      expect((await update(world, stored(world, before), stored(world, after))).allowed).toBe(true);
    expect(world.asked).toEqual([]);
  });

  it('asks nobody for what is being deleted', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    const dying = stored(world, { [annotations.prePopulated]: '' });
    const before = { ...dying, metadata: { ...dying.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    expect((await update(world, before, stored(world, {}))).allowed).toBe(true);
  });
});
