import { describe, expect, it, onTestFinished } from 'vitest';
import type { ReasonCode } from '../../../shared/api/reasons.ts';
import { type FuzzResult, fuzz, replay } from '../../fuzz/run.ts';
import type { Faults } from '../../fuzz/target.ts';
import { crashing, hoarding, lettingPass, unrightful } from './broken.ts';

/** A short run of what `make fuzz` does at length; and proof that it finds what it is there for. */

function told({ seed, failures }: FuzzResult): string {
  return failures.map((failure) => `seed ${seed}: ${JSON.stringify(failure, null, 2)}`).join('\n');
}

/** Milliseconds; on a machine with other things to do. */
const long = 120_000;

describe('generated reviews', () => {
  it.each([1, Math.floor(Math.random() * 2 ** 31)])(
    'find no crash and no allow without right, and reach every ending (seed %i)',
    async (seed) => {
      const result = await fuzz({ reviews: 500, seed });
      expect(told(result)).toBe('');
      expect(result).toMatchObject({ reviews: 500, crashes: 0, unrightful: 0 });
      // Else they would prove nothing. On the average 45 clones are admitted, and 25 updates.
      expect(Math.min(...Object.values(result.endings))).toBeGreaterThan(0);
      expect(result.endings['admitted clone']).toBeGreaterThan(15);
    },
    long,
  );

  it(
    'are the same for the same seed',
    async () => {
      const [first, second] = [await fuzz({ reviews: 100, seed: 3 }), await fuzz({ reviews: 100, seed: 3 })];
      expect(first.endings).toEqual(second.endings);
    },
    long,
  );

  it('end when the run is interrupted', async () => {
    const interrupt = new AbortController();
    const progress = (): void => interrupt.abort();
    expect(await fuzz({ reviews: 500, seed: 1, progress, signal: interrupt.signal })).toMatchObject({ reviews: 100 });
  });
});

/** Until something is found. Of the seeds tried, this one has something for each of them soonest: at the 113th review at the latest. */
async function find(faults: Faults, shrink = false): Promise<FuzzResult> {
  return await fuzz({ reviews: 1500, seed: 11, faults, enough: 1, shrink });
}

describe('the fuzzer finds a webhook that', () => {
  it.each(Object.entries(unrightful))(
    '%s',
    async (_, faults) => {
      expect(await find(faults)).toMatchObject({ crashes: 0, unrightful: 1 });
    },
    long,
  );

  it.each<ReasonCode>([
    'CloneDenied',
    'CloneAuthorizationFailed',
    'CloneRejected',
    'CloneVetoed',
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
    long,
  );

  it.each(Object.entries(crashing))(
    '%s',
    async (_, faults) => {
      expect(await find(faults)).toMatchObject({ crashes: 1, unrightful: 0 });
    },
    long,
  );

  it(
    'keeps something of every review',
    async () => {
      expect(await fuzz({ reviews: 200, seed: 1, faults: hoarding() })).toMatchObject({ crashes: 1, unrightful: 0 });
    },
    long,
  );

  it(
    'leaves a rejected promise to nobody',
    async () => {
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
    },
    long,
  );

  it(
    'is told of with the smallest scenario that shows it, which can be found again',
    async () => {
      const { failures } = await find(lettingPass('StampMissing'), true);
      const [failure] = failures;
      expect(failure?.scenario).toMatchObject({ own: [], between: [], damage: {}, review: [] });
      expect((await replay(failure?.at ?? '')).scenario).toEqual(failure?.scenario);
    },
    long,
  );
});
