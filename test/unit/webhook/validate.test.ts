import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { claims, dataSources } from '../../../shared/kube/resource.ts';
import { parseReview } from '../../../webhook/review.ts';
import { claim } from '../../support/build/storage.ts';
import {
  admit,
  annotate,
  call,
  cloneByReference,
  cloneOf,
  completed,
  controllerUser,
  createReview,
  jane,
  newWorld,
  putDataSource,
  updateReview,
  worldWithSource,
} from './world.ts';

const right = 'the right to create datavolumes/source (cdi.kubevirt.io) in namespace golden';
const fix =
  'kubectl create rolebinding clone-from-golden-jane --clusterrole=clonegate-clone-sourcer --user=jane -n golden';

describe('validate, for a clone that mutate has stamped', () => {
  it('lets it in without asking a second time', async () => {
    const world = await worldWithSource();
    const { ruling } = await admit(world, cloneOf());
    expect(ruling.response).toEqual({ uid: 'validating', allowed: true });
    expect(ruling.about).toMatchObject({ access: 'stamped', record: { id: 'mutating', strategy: 'csi-clone' } });
    expect(ruling.about).not.toHaveProperty('quota');
    expect(world.asked).toHaveLength(1);
  });

  it('lets it in under a generated name', async () => {
    const world = await worldWithSource();
    const { metadata, ...rest } = cloneOf();
    const { ruling } = await admit(world, { ...rest, metadata: { namespace: 'tenant-a', generateName: 'disk-' } });
    expect(metadata.name).toBe('disk');
    expect(ruling.response.allowed).toBe(true);
    expect(world.asked).toHaveLength(1);
  });

  it('does not follow a DataSource again: what was stamped is what is cloned', async () => {
    const world = await worldWithSource();
    await putDataSource(world, { name: 'fedora' });
    const { ruling } = await admit(world, cloneByReference(), (mutated) => {
      world.api.remove(dataSources, { namespace: 'golden', name: 'latest' });
      return mutated;
    });
    expect(ruling.response.allowed).toBe(true);
  });

  it('lets in what other webhooks may change: labels, owners, other annotations', async () => {
    const { ruling } = await admit(await worldWithSource(), cloneOf(), (mutated) => ({
      ...annotate(mutated, { other: 'x' }),
      metadata: { ...annotate(mutated, { other: 'x' }).metadata, labels: { a: 'b' } },
    }));
    expect(ruling.response.allowed).toBe(true);
  });

  it('refuses a target that is too small, with the field and both sizes', async () => {
    const world = newWorld();
    await world.put(
      claims,
      claim({ spec: { resources: { requests: { storage: '20Gi' } } }, status: { capacity: { storage: '20Gi' } } }),
    );
    const { ruling } = await admit(world, cloneOf());
    expect(ruling.response.status).toMatchObject({
      code: 422,
      reason: 'Invalid',
      details: { causes: [{ reason: 'TargetTooSmall', field: 'spec.storage.resources.requests.storage' }] },
    });
    expect(ruling.response.status?.message).toMatch(/^TargetTooSmall: .*10Gi.*20Gi/);
  });

  it('refuses other content, and a strategy that is not possible', async () => {
    const world = newWorld();
    await world.put(claims, claim({ annotations: { [annotations.contentType]: 'archive' } }));
    expect((await admit(world, cloneOf())).ruling.response.status?.message).toMatch(/^ContentTypeMismatch: /);
    const wanted = annotate(cloneOf(), { [annotations.strategy]: 'snapshot' });
    expect((await admit(await worldWithSource(), wanted)).ruling.response.status?.message).toMatch(
      /^StrategyNotPossible: /,
    );
  });

  it('lets it in with a warning when the source does not exist yet', async () => {
    const { ruling } = await admit(newWorld(), cloneOf());
    expect(ruling.response).toEqual({
      uid: 'validating',
      allowed: true,
      warnings: ['clone waits (SourceNotFound): PersistentVolumeClaim golden/fedora does not exist yet'],
    });
  });

  it('warns of a slow copy and says why, within 120 characters', async () => {
    const world = newWorld();
    await world.put(claims, claim({ spec: { volumeMode: 'Filesystem' } }));
    const { ruling } = await admit(
      world,
      cloneOf({
        storage: { storageClassName: 'fast', volumeMode: 'Block', resources: { requests: { storage: '12Gi' } } },
      }),
    );
    expect(ruling.response.warnings).toEqual([
      'slow copy (csi-clone: IncompatibleVolumeModes): the source is Filesystem, the target Block',
    ]);
  });
});

describe('validate, for somebody who may not clone', () => {
  it('says who may not do what, where, and the command that would change it', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    const { response } = (await admit(world, cloneOf())).ruling;
    const message =
      `user "jane" may not clone PersistentVolumeClaim golden/fedora: that needs ${right}. ` +
      `An administrator of that namespace can grant it: ${fix}`;
    expect(response).toEqual({
      uid: 'validating',
      allowed: false,
      status: {
        code: 403,
        reason: 'Forbidden',
        message: `CloneDenied: ${message}`,
        details: { causes: [{ reason: 'CloneDenied', message: `${message} (CloneDenied)`, field: 'spec.source.pvc' }] },
      },
    });
  });

  it('gives the same answer whether the source exists or not', async () => {
    const there = await worldWithSource();
    const gone = newWorld();
    there.answer = 'no';
    gone.answer = 'no';
    const [one, other] = await Promise.all([there, gone].map((world) => admit(world, cloneOf())));
    expect(one?.ruling.response).toEqual(other?.ruling.response);
    expect(one?.mutated).toEqual(other?.mutated);
  });

  it('gives the same answer whether a DataSource is missing, names nothing, or leads to something denied', async () => {
    const missing = newWorld();
    const empty = newWorld();
    await empty.put(dataSources, { metadata: { namespace: 'golden', name: 'latest' }, spec: { source: {} } });
    const hostile = newWorld();
    await putDataSource(hostile, { namespace: 'vault', name: '../../secrets' });
    const denied = newWorld();
    await putDataSource(denied, { namespace: 'vault', name: 'secret' });
    const worlds = [missing, empty, hostile, denied];
    for (const world of worlds) world.answer = 'no';
    const rulings = await Promise.all(worlds.map(async (world) => (await admit(world, cloneByReference())).ruling));
    const [first] = rulings;
    for (const { response } of rulings) expect(response).toEqual(first?.response);
    expect(JSON.stringify(first?.response)).not.toMatch(/vault|secret/);
    expect(first?.response.status?.message).toContain('may not clone DataSource golden/latest');
    // Each takes the same questions to the authorizer, so that the time is no tell-tale either.
    expect(worlds.map(({ asked }) => asked.length)).toEqual([2, 2, 2, 2]);
  });

  it('refuses a clone by a DataSource that leads nowhere even to somebody with every right', async () => {
    const { response } = (await admit(newWorld(), cloneByReference())).ruling;
    expect(response.status?.message).toMatch(/^CloneDenied: /);
  });
});

describe('validate, for a clone whose stamp does not hold', () => {
  /** With the id of the request that the stamp was made in. */
  const chosen = '{"v":1,"id":"mutating","outcome":"chosen","strategy":"csi-clone","candidates":[]}';

  it('asks, and tells somebody with the right to try again when there is no stamp', async () => {
    const world = await worldWithSource();
    const { response } = await call(world.validate, createReview(completed(world, cloneOf())));
    expect(response).toMatchObject({ allowed: false, status: { code: 503, reason: 'ServiceUnavailable' } });
    expect(response.status?.message).toMatch(/^StampMissing: you may clone .*clonegate.io\/stamp.*Try again$/);
    expect(world.asked).toHaveLength(1);
  });

  it.each([
    [
      'the source',
      (volume: ReturnType<typeof cloneOf>) => ({
        ...volume,
        spec: { ...volume.spec, source: { pvc: { namespace: 'golden', name: 'other' } } },
      }),
      'not PersistentVolumeClaim "golden/other"',
    ],
    [
      'the strategy',
      (volume: ReturnType<typeof cloneOf>) => annotate(volume, { [annotations.cloneType]: 'copy' }),
      'another decision',
    ],
    [
      'the decision',
      (volume: ReturnType<typeof cloneOf>) =>
        annotate(volume, {
          [annotations.decision]: '{"v":1,"id":"x","outcome":"deferred","reason":"SourceNotFound","message":""}',
        }),
      'another decision',
    ],
    [
      'the name',
      (volume: ReturnType<typeof cloneOf>) => ({ ...volume, metadata: { ...volume.metadata, name: 'other' } }),
      'named "disk"',
    ],
    [
      'the source into a DataSource',
      (volume: ReturnType<typeof cloneOf>) => ({ ...cloneByReference(), metadata: volume.metadata }),
      'no DataSource',
    ],
  ])('says what was altered when another webhook changed %s', async (_, between, words) => {
    const world = await worldWithSource();
    await putDataSource(world, { name: 'fedora' });
    const { response } = (await admit(world, cloneOf(), between)).ruling;
    expect(response.status).toMatchObject({ code: 409, reason: 'Conflict' });
    expect(response.status?.message).toMatch(/^StampMismatch: .*another webhook altered.*Try again/);
    expect(response.status?.message).toContain(words);
    expect(world.asked).toHaveLength(2);
  });

  it.each([
    ['no stamp at all', 'not.a.stamp'],
    ['an endless one', 'x'.repeat(1 << 20)],
  ])('takes %s for invalid', async (_, stamp) => {
    const world = await worldWithSource();
    const { response } = (await admit(world, cloneOf(), (mutated) => annotate(mutated, { [annotations.stamp]: stamp })))
      .ruling;
    expect(response.status).toMatchObject({ code: 409, message: expect.stringMatching(/^StampInvalid: /) as string });
  });

  it('does not repeat a refusal that comes without the stamp that belongs to it', async () => {
    const small = cloneOf({ storage: { storageClassName: 'fast', resources: { requests: { storage: '1Gi' } } } });
    const { response } = (
      await admit(await worldWithSource(), small, (mutated) =>
        annotate(mutated, { [annotations.stamp]: 'not.a.stamp' }),
      )
    ).ruling;
    expect(response.status?.message).toMatch(/^StampInvalid: /);
  });

  it('does not let a stamp in that was made for another user', async () => {
    const world = await worldWithSource();
    const { stored } = await admit(world, cloneOf());
    const { response } = await call(world.validate, createReview(stored, { user: { ...jane, username: 'joe' } }));
    expect(response.status?.message).toContain('user "jane", not "joe"');
  });

  it('does not let a stamp in that was made for another day', async () => {
    const world = await worldWithSource();
    const { stored } = await admit(world, cloneOf());
    await world.clock.advance(61_000);
    const { response } = await call(world.validate, createReview(completed(world, stored)));
    expect(response.allowed).toBe(false);
  });

  it.each([
    ['a strategy', { [annotations.cloneType]: 'csi-clone' }],
    ['another decision', { [annotations.decision]: chosen }],
    ['another decision and its strategy', { [annotations.decision]: chosen, [annotations.cloneType]: 'csi-clone' }],
    ['no decision', { [annotations.decision]: '' }],
  ])('does not let %s in that was never stamped, when the stamp covers none', async (_, changes) => {
    const { response } = (await admit(newWorld(), cloneOf(), (mutated) => annotate(mutated, changes))).ruling;
    expect(response.status?.message).toMatch(/^StampMismatch: /);
  });

  it('does not let the stamp of another request stand for a decision that was put off', async () => {
    const world = newWorld();
    const other = await admit(world, cloneOf(), undefined, { uid: 'other' });
    const stamp = other.stored.metadata.annotations?.[annotations.stamp] ?? '';
    const { response } = (await admit(world, cloneOf(), (mutated) => annotate(mutated, { [annotations.stamp]: stamp })))
      .ruling;
    expect(response.allowed).toBe(false);
  });

  it('denies somebody without the right, whatever the stamp', async () => {
    const world = await worldWithSource();
    const { stored } = await admit(world, cloneOf());
    world.answer = 'no';
    const { response } = await call(
      world.validate,
      createReview({ ...stored, metadata: { ...stored.metadata, name: 'other' } }),
    );
    expect(response.status?.message).toMatch(/^CloneDenied: /);
  });

  it('repeats what mutate could not do where trying again would not help', async () => {
    const world = await worldWithSource();
    const groups = Array.from({ length: 4000 }, (_, index) => `${index}-${crypto.randomUUID()}`);
    const { response } = (await admit(world, cloneOf(), undefined, { user: { ...jane, groups } })).ruling;
    expect(response.status).toMatchObject({
      code: 422,
      message: expect.stringMatching(/^StampTooLarge: .*4000 groups/),
    });
  });
});

describe('validate, when the right cannot be evaluated', () => {
  const error = new ApiError('etcd is away', { code: 500, reason: 'InternalError' });

  it('says so, and never that it is forbidden', async () => {
    const world = await worldWithSource();
    world.answer = error;
    const { response, about } = (await admit(world, cloneOf())).ruling;
    expect(response.status).toMatchObject({ code: 503, reason: 'ServiceUnavailable' });
    expect(response.status?.message).toMatch(/^CloneAuthorizationFailed: .*could not be found out.*Try again$/);
    expect(response.status?.message).not.toMatch(/forbidden|etcd/i);
    expect(about?.error).toBe(error);
  });

  it.each([
    ['of a clone', cloneOf(), 'PersistentVolumeClaim golden/fedora', { field: 'spec.source.pvc' }],
    ['of what is no clone', cloneOf({ source: { blank: {} } }), 'what the DataVolume names', undefined],
    ['that cannot be read', { ...cloneOf(), spec: 'clone it' }, 'what the DataVolume names', undefined],
  ])('says what the question was about, in a review %s', (_, object, named, asked) => {
    const { response, about } = newWorld().validate.fail(parseReview(createReview(object)), error);
    expect(response.status?.message).toContain(`user "jane" may clone ${named};`);
    expect(response.status?.details?.causes).toMatchObject([{ field: asked?.field ?? '' }]);
    expect(about).toMatchObject({ error, access: 'error' });
    expect(about?.asked?.field).toBe(asked?.field);
  });

  it('still lets a stamped clone in: that right was evaluated', async () => {
    const world = await worldWithSource();
    const { ruling } = await admit(world, cloneOf(), (mutated) => {
      world.answer = error;
      return mutated;
    });
    expect(ruling.response.allowed).toBe(true);
  });
});

describe('validate, for an object that is wrong whoever sends it', () => {
  it('names every fault with its field, and asks nobody', async () => {
    const world = await worldWithSource();
    const { response } = (
      await admit(world, cloneOf({ contentType: 'tape', storage: { resources: { requests: { storage: '1' } } } }))
    ).ruling;
    expect(response.status).toMatchObject({
      code: 422,
      details: {
        causes: [
          { reason: 'CloneRejected', field: 'spec.storage.resources.requests.storage' },
          { reason: 'CloneRejected', field: 'spec.contentType' },
        ],
      },
    });
    expect(world.asked).toEqual([]);
  });

  it('refuses a spec of another shape', async () => {
    const world = newWorld();
    const { response } = await call(
      world.validate,
      createReview({ ...cloneOf(), spec: { source: { pvc: 'fedora' } } }),
    );
    expect(response.status?.message).toBe('CloneRejected: spec.source.pvc: must be an object');
  });

  it('lets pass what is no clone', async () => {
    const world = newWorld();
    const body = createReview(cloneOf({ source: { http: { url: 'http://example.com' } } }));
    expect((await call(world.validate, body)).response.allowed).toBe(true);
  });
});

describe('validate, for an update', () => {
  const world = newWorld();
  const stored = completed(world, annotate(cloneOf(), { [annotations.stamp]: 's', [annotations.cloneType]: 'copy' }));
  const update = async (after: unknown, user = jane, before: unknown = stored) =>
    (await call(world.validate, updateReview(before, after, { user }))).response;

  it('lets metadata change without asking anybody', async () => {
    const after = {
      ...annotate(stored, { mine: 'new' }),
      metadata: { ...stored.metadata, labels: { a: 'b' }, finalizers: [] },
    };
    expect((await update(after, { ...jane, username: 'somebody-else' })).allowed).toBe(true);
    expect(world.asked).toEqual([]);
  });

  it('takes the same size in another unit for unchanged', async () => {
    const spec = {
      ...stored.spec,
      storage: { ...stored.spec.storage, resources: { requests: { storage: '10240Mi' } } },
    };
    expect((await update({ ...stored, spec })).allowed).toBe(true);
    const inBytes = {
      ...stored.spec,
      storage: { ...stored.spec.storage, resources: { requests: { storage: 10 * 2 ** 30 } } },
    };
    expect((await update({ ...stored, spec: inBytes })).allowed).toBe(true);
  });

  it.each([
    ['another source', { ...stored.spec, source: { pvc: { namespace: 'vault', name: 'secret' } } }, ['spec.source']],
    [
      'another size',
      { ...stored.spec, storage: { ...stored.spec.storage, resources: { requests: { storage: '11Gi' } } } },
      ['spec.storage'],
    ],
    ['a member more', { ...stored.spec, preallocation: true }, ['spec.preallocation']],
    ['no clone any more', { source: { blank: {} }, storage: stored.spec.storage }, ['spec.source']],
    ['no spec', undefined, ['spec']],
  ])('refuses %s', async (_, spec, fields) => {
    const { status } = await update({ ...stored, spec });
    expect(status).toMatchObject({
      code: 422,
      details: { causes: fields.map((field) => ({ reason: 'SpecImmutable', field })) },
    });
  });

  it('refuses to make a clone of what was none', async () => {
    const before = completed(world, cloneOf({ source: { blank: {} } }));
    expect((await update(stored, jane, before)).status?.details?.causes[0]?.reason).toBe('ReservedAnnotation');
    const bare = completed(world, cloneOf());
    expect((await update(bare, jane, before)).status?.details?.causes[0]?.reason).toBe('SpecImmutable');
  });

  it.each([
    ['changes', { [annotations.stamp]: 'other' }],
    ['adds', { [annotations.decision]: '{}' }],
  ])('refuses a user who %s one of our annotations', async (_, changes) => {
    const { status } = await update(annotate(stored, changes));
    const [key] = Object.keys(changes);
    expect(status).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      details: { causes: [{ field: `metadata.annotations[${key}]` }] },
    });
    expect(status?.message).toMatch(/^ReservedAnnotation: user "jane" may not change/);
  });

  it('refuses a user who removes them all', async () => {
    const bare = { ...stored, metadata: { ...stored.metadata, annotations: undefined } };
    expect((await update(bare)).status?.details?.causes).toHaveLength(2);
  });

  it('lets the controller write them, but not the spec', async () => {
    const controller = { username: controllerUser };
    expect((await update(annotate(stored, { [annotations.decision]: '{}' }), controller)).allowed).toBe(true);
    expect((await update({ ...stored, spec: { ...stored.spec, contentType: 'archive' } }, controller)).allowed).toBe(
      false,
    );
  });

  it('tells the audit what the clone is of, as far as it can be read', async () => {
    const aboutOf = async (spec: unknown) =>
      (await call(world.validate, updateReview(stored, { ...stored, spec }))).about;
    expect(await aboutOf({ ...stored.spec, contentType: 'archive' })).toMatchObject({ asked: { name: 'fedora' } });
    expect(await aboutOf('clone it')).toEqual({});
  });

  it('has no word on what is no clone', async () => {
    const blank = completed(world, cloneOf({ source: { blank: {} } }));
    expect((await update({ ...blank, spec: { ...blank.spec, contentType: 'archive' } }, jane, blank)).allowed).toBe(
      true,
    );
  });
});
