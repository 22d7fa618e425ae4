import { beforeEach, describe, expect, test } from 'vitest';
import { createLooks, type Looks } from '../../../shared/trust/looks.ts';
import { FakeClock } from '../../support/clock.ts';

let clock: FakeClock;
let reading: PromiseWithResolvers<string>[];
let found: string[];
let looks: Looks;

beforeEach(() => {
  clock = new FakeClock();
  reading = [];
  found = [];
  looks = createLooks({
    read: async () => {
      const next = Promise.withResolvers<string>();
      reading.push(next);
      return await next.promise;
    },
    take: (text) => void found.push(text),
    clock,
  });
});

describe('whoever must not be behind', () => {
  test('looks at once', async () => {
    const renewed = looks.renew();
    reading[0]?.resolve('new');
    await renewed;
    expect(found).toEqual(['new']);
  });

  test('takes a look that was begun a moment ago, under way or over', async () => {
    const all = [looks.look(), looks.renew(), looks.renew()];
    reading[0]?.resolve('new');
    await Promise.all(all);
    await clock.advance(999);
    await looks.renew();
    expect(reading).toHaveLength(1);
  });

  test('is told when that one failed', async () => {
    const all = [looks.look(), looks.renew()];
    reading[0]?.reject(new Error('no answer'));
    expect(await Promise.allSettled(all)).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
    expect(found).toEqual([]);
  });

  test('looks anew when it is a second old, even if it is still under way', async () => {
    const stalled = looks.look();
    await clock.advance(1000);
    const renewed = looks.renew();
    reading[1]?.resolve('new');
    await renewed;
    reading[0]?.resolve('old');
    await stalled;
    expect(found, 'what was read earlier is not put in its place').toEqual(['new']);
  });

  test.each([
    ['that the machine slept for no time', async () => clock.jump(1000)],
    [
      'before its clock was set back for no time',
      async () => {
        await clock.advance(1000);
        clock.jump(-1000);
      },
    ],
  ])('does not take the time %s', async (_, pass) => {
    const first = looks.look();
    reading[0]?.resolve('old');
    await first;
    await pass();
    const renewed = looks.renew();
    reading[1]?.resolve('new');
    await renewed;
    expect(found).toEqual(['old', 'new']);
  });
});
