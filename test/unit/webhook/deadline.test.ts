import { describe, expect, it } from 'vitest';
import { budgetOf } from '../../../webhook/deadline.ts';

describe('the time for an answer', () => {
  it.each([
    ['10s', 9500],
    ['30s', 29_500],
    ['1s', 900],
    ['1m0s', 29_500],
    ['1h', 29_500],
    ['1.5s', 1350],
    ['250ms', 225],
    ['1ns', 1],
  ])('is a little less than %s', (timeout, budget) => {
    expect(budgetOf(timeout)).toBe(budget);
  });

  it.each([undefined, '', 'soon', '10', '-5s', '0s', '5s, 6s', ['5s', '6s'], '9'.repeat(64)])(
    'is the usual one when the API server says %s',
    (timeout) => {
      expect(budgetOf(timeout)).toBe(9500);
    },
  );
});
