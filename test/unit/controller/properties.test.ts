import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newsOf } from '../../../controller/announce.ts';
import type { Right, Verification } from '../../../controller/authorize.ts';
import type { Effect } from '../../../controller/effects.ts';
import type { Observed } from '../../../controller/observed.ts';
import type { Plan } from '../../../controller/plan.ts';
import { plan } from '../../../controller/planner.ts';
import { sameStatus, statusOf } from '../../../controller/status.ts';
import { finalizer, type Strategy } from '../../../shared/api/names.ts';
import { controllerOf, type KubeObject } from '../../../shared/api/objects.ts';
import { claim, created, observed, owner, pod, source, storageClass, target, valid, volume, world } from './world.ts';

/** What holds for every DataVolume in every state of the cluster, however odd. */

/** Mostly what lets a clone go on: else hardly any situation would get far. */
function mostly<T>(good: T, ...odd: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });
}

const rarely = mostly(false, true);
const claimPhases = mostly('Bound', '', 'Pending', 'Lost', 'Melted');
const capacities = mostly('1Gi', '512Mi', '2Gi', null);

const volumes = fc
  .record({
    strategy: mostly<Strategy | null>('csi-clone', 'snapshot', 'copy', null),
    size: mostly<string | undefined>('1Gi', '512Mi', '2Gi', 'plenty', '-1', '1e99', undefined),
    className: mostly<string | undefined>('fast', 'slow', undefined),
    phase: mostly<string | undefined>(undefined, '', 'Pending', 'CSICloneInProgress', 'Succeeded', 'Failed', 'Odd'),
    held: fc.boolean(),
    deleted: rarely,
    clone: mostly('pvc', 'sourceRef', 'none'),
  })
  .map(({ strategy, size, className, phase, held, deleted, clone }) => {
    const spec = {
      pvc: {
        ...(className === undefined ? {} : { storageClassName: className }),
        ...(size === undefined ? {} : { resources: { requests: { storage: size } } }),
      },
      ...(clone === 'pvc' ? { source: { pvc: { namespace: source.namespace, name: source.name } } } : {}),
      ...(clone === 'sourceRef' ? { sourceRef: { kind: 'DataSource', name: 'golden' } } : {}),
    } as const;
    const metadata = {
      ...(held ? { finalizers: ['theirs/one', finalizer] } : {}),
      ...(deleted ? { deletionTimestamp: created } : {}),
    };
    return volume({ strategy, spec, metadata, ...(phase === undefined ? {} : { status: { phase } }) });
  });

const { user } = valid;
const stamps = mostly<Verification>(
  valid,
  { valid: true, user, source: { ...source, namespace: 'golden' } },
  { valid: true, user, source: { kind: 'VolumeSnapshot', namespace: source.namespace, name: source.name } },
  { valid: false, message: 'forged' },
);

const rights = mostly<Right>(
  { answer: 'allowed' },
  { answer: 'unasked' },
  { answer: 'denied', reason: 'CloneAuthorizationRevoked', message: 'no' },
  { answer: 'failed', message: 'nobody' },
);

const phaseAndSize = { phase: claimPhases, capacity: capacities };
const sourceClaim = fc.record({
  ...phaseAndSize,
  replaced: rarely,
  terminating: rarely,
  filled: rarely,
  missing: rarely,
});
const targetClaim = fc.record({
  ...phaseAndSize,
  foreign: rarely,
  elsewhere: rarely,
  terminating: rarely,
  missing: fc.boolean(),
});
const around = fc.record({ writer: rarely, late: rarely, noClasses: rarely });

const situations: fc.Arbitrary<Observed> = fc
  .tuple(volumes, stamps, sourceClaim, targetClaim, around)
  .map(([dataVolume, stamp, from, to, { writer, late, noClasses }]) => {
    const stores = world();
    stores.claims.replace([]);
    if (noClasses) stores.storageClasses.replace([]);
    if (late) stores.storageClasses.upsert(storageClass({ volumeBindingMode: 'WaitForFirstConsumer' }));
    if (writer) stores.pods.upsert(pod('vm'));
    stores.volumes.upsert(dataVolume);
    const ending = (terminating: boolean) => (terminating ? { deletionTimestamp: created } : {});
    if (!from.missing) {
      const owners = from.filled ? { ownerReferences: [{ ...owner, name: 'target' }] } : {};
      const metadata = { ...ending(from.terminating), ...owners, ...(from.replaced ? { uid: 'another' } : {}) };
      stores.claims.upsert(claim('source', { phase: from.phase, capacity: from.capacity, metadata }));
    }
    if (!to.missing) {
      const metadata = { ...ending(to.terminating), ownerReferences: to.foreign ? [] : [owner] };
      const spec = to.elsewhere ? { dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'other' } } : {};
      stores.claims.upsert(target({ phase: to.phase, capacity: to.capacity, metadata, spec }));
    }
    return observed(stores, dataVolume, stamp);
  });

/**
 * Calls `check` for many situations and rights.
 * @returns for how many of them there was something to check: a property that never applies holds for want of a case.
 */
function forAll(check: (o: Observed, right: Right, next: Plan) => boolean): number {
  let cases = 0;
  const property = fc.property(situations, rights, (o, right) => {
    if (check(o, right, plan(o, right))) cases += 1;
  });
  fc.assert(property, { numRuns: 1000 });
  return cases;
}

const effectsOf = (next: Plan): readonly Effect[] =>
  next.state === 'acting' || next.state === 'done' ? next.effects : [];
const creates = (next: Plan) => effectsOf(next).filter((effect) => effect.kind === 'create');
const patches = (next: Plan) => effectsOf(next).filter((effect) => effect.kind === 'patch');

/** Cases that a property must have applied to. */
const enough = 20;

test('a plan is made for every situation, and the same one each time', () => {
  const cases = forAll((o, right, next) => {
    expect(plan(o, right)).toEqual(next);
    return true;
  });

  expect(cases).toBe(1000);
});

test('nothing is created without a valid stamp and a right that was just confirmed', () => {
  const cases = forAll(({ stamp }, right, next) => {
    if (creates(next).length === 0) return false;
    expect([stamp.valid, right.answer]).toEqual([true, 'allowed']);
    return true;
  });

  expect(cases).toBeGreaterThan(enough);
});

test('without a valid stamp nothing is written at all, but for letting go of what is deleted', () => {
  const cases = forAll(({ stamp, volume: { metadata } }, _right, next) => {
    if (stamp.valid || metadata.deletionTimestamp !== undefined) return false;
    expect(effectsOf(next)).toEqual([]);
    return true;
  });

  expect(cases).toBeGreaterThan(enough);
});

test('whatever is patched or deleted is the DataVolume or a claim of its own, as it was looked at', () => {
  const cases = forAll((o, _right, next) => {
    const own = [o.volume.metadata, o.claim?.metadata].filter((metadata) => metadata !== undefined);
    const effects = effectsOf(next).filter((effect) => effect.kind !== 'create');
    for (const effect of effects) {
      const meant = own.find(({ uid }) => uid === effect.uid);
      expect([effect.ref.namespace, effect.ref.name]).toEqual([meant?.namespace, meant?.name]);
      if (effect.kind === 'patch') expect(effect.resourceVersion).toBe(meant?.resourceVersion);
      if (effect.uid === o.claim?.metadata.uid) expect(controllerOf(o.claim)?.uid).toBe(o.volume.metadata.uid);
    }
    return effects.length > 0;
  });

  expect(cases).toBeGreaterThan(enough);
});

test('whatever is created is the target claim, while there is none, and it is made from the stamped source', () => {
  const cases = forAll(({ volume: { metadata }, stamp, claim: existing, choice }, _right, next) => {
    if (choice.by === 'record' && choice.strategy === 'copy') return false;
    for (const { object } of creates(next)) {
      expect(existing).toBeUndefined();
      expect(object.metadata).toMatchObject({ namespace: metadata.namespace, name: metadata.name });
      expect(controllerOf(object)?.uid).toBe(metadata.uid);
      expect(object).toMatchObject({ spec: { dataSourceRef: { name: stamp.valid ? stamp.source.name : '' } } });
    }
    return creates(next).length > 0;
  });

  expect(cases).toBeGreaterThan(enough);
});

test('what a copy creates is a target claim that nobody fills, or blank and beside the stamped source', () => {
  const cases = forAll(({ volume: { metadata }, stamp, choice }, _right, next) => {
    if (choice.by !== 'record' || choice.strategy !== 'copy') return false;
    for (const { object } of creates(next)) {
      const isTarget = object.metadata.name === metadata.name;
      const spec = isTarget ? { dataSourceRef: { kind: 'DataVolume', name: metadata.name } } : {};
      const namespace = isTarget ? metadata.namespace : stamp.valid && stamp.source.namespace;
      expect(object).toMatchObject({ metadata: { namespace }, spec });
      if (!isTarget) expect(object).not.toHaveProperty('spec.dataSourceRef');
    }
    return creates(next).length > 0;
  });

  expect(cases).toBeGreaterThan(0);
});

test('the finalizers of others are never lost', () => {
  const cases = forAll(({ volume: { metadata } }, _right, next) => {
    const lists = patches(next).flatMap(({ patch }) => (patch as Partial<KubeObject>).metadata?.finalizers ?? []);
    if (metadata.finalizers === undefined || lists.length === 0) return false;
    expect(lists).toContain('theirs/one');
    return true;
  });

  expect(cases).toBeGreaterThan(enough);
});

test('what is deleted is let go of in one step', () => {
  const cases = forAll(({ volume: { metadata } }, _right, next) => {
    if (metadata.deletionTimestamp === undefined) return false;
    expect([next.state, effectsOf(next).length]).toEqual(['acting', metadata.finalizers === undefined ? 0 : 1]);
    return true;
  });

  expect(cases).toBeGreaterThan(enough);
});

test('a clone is told to be complete only when its claim has a volume that is large enough, or was told so before', () => {
  const cases = forAll(({ volume: { status }, claim: existing }, _right, next) => {
    if (next.state !== 'done' || status?.phase === 'Succeeded') return false;
    expect(existing?.status?.phase).toBe('Bound');
    expect(existing?.status?.capacity?.['storage']).toMatch(/^[12]Gi$/);
    expect(existing?.metadata.deletionTimestamp).toBeUndefined();
    return true;
  });

  expect(cases).toBeGreaterThan(enough);
});

test('a status is told once: telling it again changes nothing and is no news', () => {
  const cases = forAll((o, right, next) => {
    if (next.state !== 'waiting' && next.state !== 'done') return false;
    const status = statusOf(o, next, new Date(created));
    const after: Observed = { ...o, volume: { ...o.volume, status } };
    const again = plan(after, right);
    if (again.state !== 'waiting' && again.state !== 'done') throw new Error(`from ${next.state} to ${again.state}`);
    expect(sameStatus(status, statusOf(after, again, new Date(0)))).toBe(true);
    expect(newsOf(after, again)).toBeUndefined();
    return true;
  });

  expect(cases).toBeGreaterThan(enough);
});
