import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSlots } from '../../../webhook/slots.ts';
import { settle } from '../../support/clock.ts';

describe('places that are taken in turn', () => {
  it('are given at once as long as there are any, then in the order of asking', async () => {
    const slots = createSlots(2);
    const served: number[] = [];
    const frees: (() => void)[] = [];
    const come = async (number: number): Promise<void> => {
      const free = await slots.take();
      served.push(number);
      frees.push(free);
    };
    for (const number of [1, 2, 3, 4]) void come(number);
    await settle();
    expect(served).toEqual([1, 2]);
    frees[1]?.();
    await settle();
    expect(served).toEqual([1, 2, 3]);
    frees[0]?.();
    await settle();
    expect(served).toEqual([1, 2, 3, 4]);
  });

  it('are freed once, however often that is said', async () => {
    const slots = createSlots(1);
    const free = await slots.take();
    free();
    free();
    await slots.take();
    expect(slots.taken).toBe(1);
    free();
    expect(slots.taken).toBe(1);
  });

  it('are never more than there are, and none is lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.boolean(), { maxLength: 40 }),
        async (most, steps) => {
          const slots = createSlots(most);
          const held: (() => void)[] = [];
          for (const take of steps) {
            if (take) void slots.take().then((free) => held.push(free));
            else held.shift()?.();
            await settle();
            expect(held.length).toBeLessThanOrEqual(most);
          }
          while (held.length > 0) {
            held.shift()?.();
            await settle();
          }
          expect(slots.taken).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });
});
