import { describe, expect, test } from 'vitest';
import { unasked } from '../../../controller/authorize.ts';
import { plan } from '../../../controller/planner.ts';
import { annotations } from '../../../shared/api/names.ts';
import { type ClaimOptions, claim, observed, owner, target, volume, world } from './world.ts';

/** DataVolumes whose claim is there already. */

const notStamped = { valid: false, message: 'no stamp' } as const;

function planFor(marks: Readonly<Record<string, string>>, options?: ClaimOptions, made = claim) {
  const stores = world();
  if (options !== undefined) stores.claims.upsert(made('target', options));
  return plan(observed(stores, volume({ metadata: { annotations: marks } }), notStamped), unasked);
}

const adopting = { [annotations.allowClaimAdoption]: 'true' };
const populated = { [annotations.prePopulated]: 'target' };
const filledFor = (name: string) => ({ metadata: { annotations: { [annotations.populatedFor]: name } } });
const foreign = { ...owner, kind: 'StatefulSet', uid: 'another' };

describe('a claim that is there', () => {
  test('is taken over where the DataVolume says so, bound or not, and nobody is asked', () => {
    const next = planFor(adopting, { phase: 'Pending', capacity: null });

    expect(next).toMatchObject({
      state: 'acting',
      step: 'adopted',
      effects: [
        {
          kind: 'patch',
          resource: { plural: 'persistentvolumeclaims' },
          patch: { metadata: { ownerReferences: [{ uid: 'dv-uid', controller: true }] } },
        },
      ],
    });
    expect(planFor(adopting, { metadata: { ownerReferences: [owner] } })).toMatchObject({
      state: 'done',
      adopted: true,
    });
  });

  test('keeps the owners that it has', () => {
    const other = { ...foreign, controller: false };

    expect(planFor(adopting, { metadata: { ownerReferences: [other] } })).toMatchObject({
      effects: [{ patch: { metadata: { ownerReferences: [other, { uid: 'dv-uid' }] } } }],
    });
  });

  test('that was filled for the DataVolume is its claim, and both say so', () => {
    expect(planFor({}, filledFor('target'))).toMatchObject({
      state: 'acting',
      effects: [
        { resource: { plural: 'persistentvolumeclaims' } },
        {
          resource: { plural: 'datavolumes' },
          patch: { metadata: { annotations: { [annotations.prePopulated]: 'target' } } },
        },
      ],
    });
    expect(
      planFor(populated, { metadata: { ...filledFor('target').metadata, ownerReferences: [owner] } }),
    ).toMatchObject({
      state: 'done',
      adopted: true,
    });
  });

  test('and is said to be filled is waited for until it is bound', () => {
    expect(planFor({}, { ...filledFor('target'), phase: 'Pending' })).toMatchObject({
      state: 'waiting',
      wait: { phase: 'Pending', reason: 'Pending' },
    });
  });
});

describe('a claim is not taken over', () => {
  test.each<[string, Readonly<Record<string, string>>, ClaimOptions]>([
    ['when nobody says so', {}, {}],
    ['when it was filled for another', {}, filledFor('other')],
    ['when the DataVolume says anything but true', { [annotations.allowClaimAdoption]: 'yes' }, {}],
    ['from somebody else who controls it', adopting, { metadata: { ownerReferences: [foreign] } }],
    [
      'from somebody else who controls it, though it was filled for us',
      {},
      { metadata: { ...filledFor('target').metadata, ownerReferences: [foreign] } },
    ],
    ['because the DataVolume is said to be filled', populated, {}],
  ])('%s', (_name, marks, options) => {
    const next = planFor(marks, options);

    expect(next).toMatchObject({ state: 'waiting', wait: { reason: 'CloneUnauthorized' } });
  });

  test('when we made it to clone into it', () => {
    const ours = { annotations: { [annotations.createdForDataVolume]: 'dv-uid' }, ownerReferences: [owner] };

    expect(planFor(adopting, { metadata: ours })).toMatchObject({ wait: { reason: 'CloneUnauthorized' } });
  });
});

test('a DataVolume that is said to be filled waits for its claim, and makes none', () => {
  expect(planFor(populated)).toMatchObject({
    state: 'waiting',
    wait: { phase: 'Pending', reason: 'NotFound', type: 'Normal' },
  });
});

test('a clone whose own claim is on its way is a clone, whatever is allowed', () => {
  const stores = world();
  stores.claims.upsert(
    target({
      metadata: { ownerReferences: [owner], annotations: { [annotations.createdForDataVolume]: 'dv-uid' } },
      phase: 'Pending',
    }),
  );

  const next = plan(observed(stores, volume({ metadata: { annotations: adopting } })), unasked);
  expect(next).toMatchObject({ state: 'waiting', wait: { phase: 'CSICloneInProgress' } });
});
