import { describe, expect, test } from 'vitest';
import { type Kind, Simulation } from '../../../support/simulation/index.ts';
import { all, distinct, finished, longest, madeAgain, type Pace, simulate, volumesFor, writesOf } from './disturbed.ts';

/**
 * What comes of a controller that dies at each write, once before it is carried out and once before it knows that it was.
 * @returns how many died.
 */
async function killAtEachWrite(kind: Kind, pace: Pace): Promise<number> {
  const count = await writesOf(kind, pace);
  for (const when of ['before', 'after'] as const) {
    for (let nth = 1; nth <= count; nth += 1) {
      const simulation = await simulate(kind, pace);
      simulation.onWrite = (at, moment) => {
        if (at === nth && moment === when) Simulation.death();
      };

      await simulation.settle();

      expect(simulation.outcome(), `${when} write ${nth}`).toMatchObject(finished(kind));
      expect(simulation.storage.made, `${when} write ${nth}`).toHaveLength(volumesFor(kind));
      expect(simulation.writes.length, `${when} write ${nth}`).toBeLessThanOrEqual(count + madeAgain(kind));
    }
  }
  return 2 * count;
}

describe('a clone', () => {
  test.each(all)('$name: comes to its end, and has the bytes of its source', async ({ kind }) => {
    const simulation = await Simulation.of(kind);

    await simulation.settle();

    expect(simulation.outcome()).toMatchObject(finished(kind));
    expect(simulation.storage.made).toHaveLength(volumesFor(kind));
  });
});

describe('a controller that is killed', () => {
  test.each(distinct)('$name: at any write, leaves all that its successor needs', async ({ kind }) => {
    expect(await killAtEachWrite(kind, { slow: false })).toBeGreaterThanOrEqual(8);
  });

  test.each(longest)('$name: at any write, with storage that takes its time', async ({ kind }) => {
    expect(await killAtEachWrite(kind, { slow: true })).toBeGreaterThanOrEqual(8);
  });
});
