import { describe, expect, test } from 'vitest';
import { unasked } from '../../../controller/authorize.ts';
import { plan } from '../../../controller/planner.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import type { Stored } from '../../../shared/api/objects.ts';
import { parseRecord } from '../../../shared/decision/record.ts';
import { claim, observed, source, valid, volume, type World, world } from './world.ts';

const allowed = { answer: 'allowed' } as const;

describe('a clone whose source came after it', () => {
  // It was not there to be seen when the stamp was made.
  const { uid: _unknown, ...named } = source;
  const stamp = { ...valid, source: named };
  const decision = (): string => {
    const next = plan(observed(world(), volume({ strategy: null }), stamp), unasked);
    const [effect] = next.state === 'acting' ? next.effects : [];
    const { metadata } = (effect?.kind === 'patch' ? effect.patch : {}) as Pick<DataVolume, 'metadata'>;
    return metadata.annotations?.[annotations.decision] ?? '';
  };
  const replaced = (): World => {
    const stores = world();
    stores.claims.upsert(claim('source', { metadata: { uid: 'another' } }));
    return stores;
  };
  const recorded = (): Stored<DataVolume> =>
    volume({ metadata: { annotations: { [annotations.decision]: decision() } } });

  test('is bound to this source from the decision on', () => {
    expect(parseRecord(decision())?.sourceUid).toBe('source-uid');
    expect(plan(observed(world(), recorded(), stamp), unasked)).toEqual({ state: 'asking', step: 'claimed' });
  });

  test('is not made of another one that has taken its name since', () => {
    const stores = replaced();

    expect(plan(observed(stores, recorded(), stamp), allowed)).toMatchObject({
      state: 'waiting',
      wait: { phase: 'Failed', reason: 'SourceReplaced' },
    });
  });

  test('is bound to the one that was stamped, whatever stands in the record', () => {
    const stores = replaced();
    const forged = decision().replace('source-uid', 'another');
    const dataVolume = volume({ metadata: { annotations: { [annotations.decision]: forged } } });

    expect(plan(observed(stores, dataVolume), allowed)).toMatchObject({ wait: { reason: 'SourceReplaced' } });
  });
});
