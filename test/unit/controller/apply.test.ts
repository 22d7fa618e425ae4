import { describe, expect, test } from 'vitest';
import { createApplier } from '../../../controller/apply.ts';
import type { Effect } from '../../../controller/effects.ts';
import { createExpectations, patience } from '../../../controller/expectations.ts';
import type { KubeObject } from '../../../shared/api/objects.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { claims, dataVolumes, secrets } from '../../../shared/kube/resource.ts';
import { FakeClock } from '../../support/clock.ts';
import { type Interceptor, MemoryApi } from '../../support/memory-client.ts';
import { claim, owner, target, volume } from './world.ts';

const key = 'tenant/target';

async function setup(intercept?: Interceptor) {
  const api = new MemoryApi();
  const stored = await api.client().create(dataVolumes, { ...volume(), kind: 'DataVolume' });
  api.calls.length = 0;
  const seen = new Map<string, KubeObject>();
  const clock = new FakeClock();
  const expectations = createExpectations((resource, name) => seen.get(`${resource.plural} ${name}`), clock);
  return { api, stored, seen, clock, expectations, applier: createApplier(api.client(intercept), expectations) };
}

const create: Effect = { kind: 'create', resource: claims, object: target(), ownerUid: owner.uid };

function patchOf({ metadata }: { metadata: { uid: string; resourceVersion: string } }, more: object = {}): Effect {
  const ref = { namespace: 'tenant', name: 'target' };
  return {
    kind: 'patch',
    resource: dataVolumes,
    ref,
    ...metadata,
    patch: { metadata: { finalizers: ['x'] } },
    ...more,
  };
}

function refuse(reason: string, code: number, message: string): Interceptor {
  return ({ verb }) => {
    if (verb === 'create') throw new ApiError(message, { code, reason });
  };
}

describe('effects', () => {
  test('are carried out in order', async () => {
    const { api, stored, applier } = await setup();

    expect(await applier.apply(key, [patchOf(stored), create])).toEqual({ kind: 'written' });
    expect(api.calls.map(({ verb, plural }) => `${verb} ${plural}`)).toEqual([
      'patch datavolumes',
      'create persistentvolumeclaims',
    ]);
  });

  test('are not begun again after one that is out of date', async () => {
    const { api, applier } = await setup();

    const stale = patchOf({ metadata: { uid: 'u', resourceVersion: '1' } });

    expect(await applier.apply(key, [stale, create])).toEqual({ kind: 'stale' });
    expect(api.calls.map(({ verb }) => verb)).toEqual(['patch']);
  });

  test('on a DataVolume that is gone are out of date', async () => {
    const { api, stored, applier } = await setup();
    api.remove(dataVolumes, { namespace: 'tenant', name: 'target' });

    expect(await applier.apply(key, [patchOf(stored)])).toEqual({ kind: 'stale' });
  });
});

describe('a claim that exists', () => {
  test('counts as made when it is controlled by the DataVolume', async () => {
    const { api, expectations, applier } = await setup();
    await api.client().create(claims, target());

    expect(await applier.apply(key, [create])).toEqual({ kind: 'written' });
    expect(expectations.pending(key)).toBe(patience);
  });

  test.each([
    ['nobody', claim('target')],
    ['an earlier DataVolume', target({ metadata: { ownerReferences: [{ ...owner, uid: 'earlier' }] } })],
    ['us without being the controller', target({ metadata: { ownerReferences: [{ ...owner, controller: false }] } })],
  ])('is never touched when it belongs to %s', async (_name, existing) => {
    const { api, applier } = await setup();
    const before = await api.client().create(claims, existing);

    expect(await applier.apply(key, [create])).toMatchObject({
      kind: 'refused',
      wait: {
        phase: 'Pending',
        reason: 'ErrResourceExists',
        message: 'PersistentVolumeClaim tenant/target exists and does not belong to this DataVolume',
      },
    });
    expect(api.read(claims, { namespace: 'tenant', name: 'target' })).toEqual(before);
  });

  test('and is gone when we look is looked for again', async () => {
    const { applier } = await setup(refuse('AlreadyExists', 409, 'exists'));

    expect(await applier.apply(key, [create])).toEqual({ kind: 'stale' });
  });
});

describe('a Secret with a key', () => {
  const ref = { namespace: 'tenant', name: 'keys' };
  const effect: Effect = {
    kind: 'create',
    resource: secrets,
    object: { metadata: ref },
    ownerUid: owner.uid,
    unseen: true,
    newKey: 'keys.psk',
  };

  test('gets one that is made then, and is not waited for', async () => {
    const { api, expectations } = await setup();
    let made = 0;
    const applier = createApplier(api.client(), expectations, () => `key ${(made += 1)}`);

    expect(await applier.apply(key, [effect])).toEqual({ kind: 'written' });
    expect(Buffer.from(api.read(secrets, ref).data?.['keys.psk'] ?? '', 'base64').toString()).toBe('key 1');
    expect(effect.object).toEqual({ metadata: ref });
    expect(expectations.pending(key)).toBeUndefined();
  });

  test('that is there already is left as it is, and never read', async () => {
    const { api, expectations } = await setup();
    let made = 0;
    const applier = createApplier(api.client(), expectations, () => `key ${(made += 1)}`);
    await applier.apply(key, [effect]);
    const before = api.read(secrets, ref);
    api.calls.length = 0;

    expect(await applier.apply(key, [effect])).toEqual({ kind: 'written' });
    expect(api.read(secrets, ref)).toEqual(before);
    expect(api.calls.map(({ verb }) => verb)).not.toContain('get');
  });

  test('is made by nobody who was given no way to', async () => {
    const { api, applier } = await setup();

    await expect(applier.apply(key, [effect])).rejects.toThrow('makes no keys');
    expect(api.calls).toEqual([]);
  });
});

describe('what the API server will not have', () => {
  test('because others wrote to a quota at the same time is tried again, and told to nobody', async () => {
    const { applier } = await setup(
      refuse('Conflict', 409, 'Operation cannot be fulfilled on resourcequotas "storage"'),
    );

    expect(await applier.apply(key, [create])).toEqual({ kind: 'stale' });
  });

  test('for a quota of another namespace is told without its figures, which are not the business of who clones from there', async () => {
    const said =
      'persistentvolumeclaims "t" is forbidden: exceeded quota: theirs, requested: persistentvolumeclaims=1,requests.storage=2Gi, ' +
      'used: persistentvolumeclaims=7,requests.storage=99Gi, limited: persistentvolumeclaims=7,requests.storage=100Gi';
    const { applier } = await setup(refuse('Forbidden', 403, said));
    const there: Effect = { ...create, object: claim('t', { metadata: { namespace: 'golden' } }) };
    const message =
      'a quota of namespace golden has no room for PersistentVolumeClaim golden/t, which needs persistentvolumeclaims=1,' +
      'requests.storage=2Gi; who administers that namespace can see its figures';

    expect(await applier.apply(key, [there])).toMatchObject({ wait: { reason: 'ErrExceededQuota', message } });
    expect(await applier.apply('golden/target', [there])).toMatchObject({ wait: { message: said } });
  });

  test('for a quota is told as such and tried again', async () => {
    const message = 'persistentvolumeclaims "target" is forbidden: exceeded quota: storage';
    const { applier } = await setup(refuse('Forbidden', 403, message));

    expect(await applier.apply(key, [create])).toEqual({
      kind: 'refused',
      wait: { phase: 'Pending', reason: 'ErrExceededQuota', type: 'Warning', message, retry: true },
    });
  });

  test.each([
    ['a policy', 'Forbidden', 403],
    ['its form', 'Invalid', 422],
  ])('for %s is told in its own words and tried again', async (_name, reason, code) => {
    const { applier } = await setup(refuse(reason, code, 'no such class allowed'));

    expect(await applier.apply(key, [create])).toMatchObject({
      kind: 'refused',
      wait: { reason: 'CloneValidationFailed', message: 'no such class allowed', retry: true },
    });
  });

  test.each([
    ['no answer', 'Unreachable', 0],
    ['too many requests', 'TooManyRequests', 429],
    ['a fault of the server', 'InternalError', 500],
  ])('for %s is an error, not a state of the clone', async (_name, reason, code) => {
    const { applier } = await setup(refuse(reason, code, 'later'));

    await expect(applier.apply(key, [create])).rejects.toThrow('later');
  });
});

describe('what was written', () => {
  test('is waited for until the store shows it', async () => {
    const { stored, seen, expectations, applier } = await setup();
    seen.set(`datavolumes ${key}`, stored);

    await applier.apply(key, [patchOf(stored)]);

    expect(expectations.pending(key)).toBe(patience);
    seen.set(`datavolumes ${key}`, { ...stored, metadata: { ...stored.metadata, resourceVersion: '3' } });
    expect(expectations.pending(key)).toBeUndefined();
  });

  test('is seen in a later version too, and in another object of the name', async () => {
    const { stored, seen, expectations, applier } = await setup();
    await applier.apply(key, [patchOf(stored)]);
    seen.set(`datavolumes ${key}`, { ...stored, metadata: { ...stored.metadata, resourceVersion: '10' } });

    expect(expectations.pending(key)).toBeUndefined();

    const again = await setup();
    await again.applier.apply(key, [patchOf(again.stored)]);
    again.seen.set(`datavolumes ${key}`, { metadata: { uid: 'another', resourceVersion: '1' } });
    expect(again.expectations.pending(key)).toBeUndefined();
  });

  test('is waited for no longer than so long', async () => {
    const { stored, clock, expectations, applier } = await setup();
    await applier.apply(key, [patchOf(stored)]);

    await clock.advance(patience - 1);
    expect(expectations.pending(key)).toBe(1);
    await clock.advance(1);
    expect(expectations.pending(key)).toBeUndefined();
  });

  test('is not waited for when the DataVolume is gone', async () => {
    const { stored, expectations, applier } = await setup();
    await applier.apply(key, [patchOf(stored)]);

    expectations.forget(key);

    expect(expectations.pending(key)).toBeUndefined();
  });

  test('a version that is no number is recognised only as itself', async () => {
    const { seen, expectations, stored } = await setup();
    const written = { ...stored, metadata: { ...stored.metadata, resourceVersion: 'b' } };
    expectations.expect(key, dataVolumes, written);
    seen.set(`datavolumes ${key}`, stored);

    expect(expectations.pending(key)).toBe(patience);
    seen.set(`datavolumes ${key}`, written);
    expect(expectations.pending(key)).toBeUndefined();
  });
});
