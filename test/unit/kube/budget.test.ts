import { describe, expect, test } from 'vitest';
import { createBudget } from '../../../shared/kube/budget.ts';
import { FakeClock } from '../../support/clock.ts';

describe('a budget', () => {
  test('gives its burst at once and then so many a second, to each key by itself', async () => {
    const clock = new FakeClock();
    const budget = createBudget(clock, { burst: 3, perSecond: 2 });
    const take = (key: string, times: number) => Array.from({ length: times }, () => budget.take(key));
    expect(take('jane', 4)).toEqual([true, true, true, false]);
    expect(take('joe', 1)).toEqual([true]);
    await clock.advance(499);
    expect(take('jane', 1)).toEqual([false]);
    await clock.advance(1);
    expect(take('jane', 2)).toEqual([true, false]);
    await clock.advance(3_600_000);
    expect(take('jane', 4)).toEqual([true, true, true, false]);
  });

  test('remembers so many keys and no more, the recently used ones', () => {
    const budget = createBudget(new FakeClock(), { burst: 1, perSecond: 0 }, 2);
    budget.take('a');
    budget.take('b');
    budget.take('a');
    budget.take('c'); // forgets b
    expect([budget.take('a'), budget.take('c'), budget.take('b')]).toEqual([false, false, true]);
  });
});
