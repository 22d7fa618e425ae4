import { describe, expect, it, onTestFinished } from 'vitest';
import type { ReasonCode } from '../../../shared/api/reasons.ts';
import { type FuzzResult, fuzz } from '../../fuzz/run.ts';
import type { Faults } from '../../fuzz/target.ts';
import { crashing, hoarding, lettingPass, unrightful } from './broken.ts';

/** A short run of what `make fuzz` does at length; and proof that it finds what it is there for. */

function told({ seed, failures }: FuzzResult): string {
  return failures.map((failure) => `seed ${seed}: ${JSON.stringify(failure, null, 2)}`).join('\n');
}

describe('generated reviews', () => {
  it.each([1, Math.floor(Math.random() * 2 ** 31)])(
    'find no crash and no allow without right (seed %i)',
    async (seed) => {
      const result = await fuzz({ reviews: 1000, seed });
      expect(told(result)).toBe('');
      expect(result).toMatchObject({ reviews: 1000, crashes: 0, unrightful: 0 });
    },
    60_000,
  );

  it('reach every ending, else they would prove nothing', async () => {
    const { endings } = await fuzz({ reviews: 300, seed: 2 });
    expect(Math.min(...Object.values(endings))).toBeGreaterThan(0);
    expect(endings['admitted clone']).toBeGreaterThan(15);
  });

  it('are the same for the same seed', async () => {
    const [first, second] = [await fuzz({ reviews: 200, seed: 3 }), await fuzz({ reviews: 200, seed: 3 })];
    expect(first.endings).toEqual(second.endings);
  });
});

/** Until something is found, which is at the latest here. */
async function find(faults: Faults): Promise<FuzzResult> {
  return await fuzz({ reviews: 1500, seed: 1, faults, enough: 1 });
}

describe('the fuzzer finds a webhook that', () => {
  it.each(Object.entries(unrightful))(
    '%s',
    async (_, faults) => {
      expect(await find(faults)).toMatchObject({ crashes: 0, unrightful: 1 });
    },
    60_000,
  );

  it.each<ReasonCode>([
    'CloneDenied',
    'CloneAuthorizationFailed',
    'CloneRejected',
    'StampMissing',
    'StampInvalid',
    'StampMismatch',
    'TargetTooSmall',
    'ContentTypeMismatch',
    'StrategyUnavailable',
    'SpecImmutable',
    'ReservedAnnotation',
  ])(
    'lets pass what is to be refused as %s',
    async (reason) => {
      expect(await find(lettingPass(reason))).toMatchObject({ crashes: 0, unrightful: 1 });
    },
    60_000,
  );

  it.each(Object.entries(crashing))(
    '%s',
    async (_, faults) => {
      expect(await find(faults)).toMatchObject({ crashes: 1, unrightful: 0 });
    },
    60_000,
  );

  it('keeps something of every review', async () => {
    expect(await fuzz({ reviews: 600, seed: 1, faults: hoarding() })).toMatchObject({ crashes: 1, unrightful: 0 });
  }, 60_000);

  it('leaves a rejected promise to nobody', async () => {
    const result = await fuzz({
      reviews: 100,
      seed: 1,
      enough: 1,
      rejections: (heard) => {
        const timer = setInterval(() => heard(new Error('nobody listens')), 1);
        onTestFinished(() => clearInterval(timer));
        return () => clearInterval(timer);
      },
    });
    expect(result.failures[0]?.findings).toContainEqual({
      kind: 'crash',
      what: 'unhandled rejection: Error: nobody listens',
    });
  });

  it('is told of with the smallest scenario that shows it', async () => {
    const { failures } = await find(lettingPass('StampMissing'));
    expect(failures[0]?.scenario).toMatchObject({ own: [], between: [], damage: {}, review: [] });
  }, 60_000);
});
