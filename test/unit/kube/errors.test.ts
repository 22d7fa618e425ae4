import { describe, expect, test } from 'vitest';
import {
  ApiError,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isNotFound,
  isRetryable,
} from '../../../shared/kube/errors.ts';

const error = (code: number, reason: string): ApiError => new ApiError('told', { code, reason });

describe('an ApiError', () => {
  test.each([
    [isNotFound, 404, 'NotFound'],
    [isAlreadyExists, 409, 'AlreadyExists'],
    [isConflict, 409, 'Conflict'],
    [isForbidden, 403, 'Forbidden'],
    [isGone, 410, 'Expired'],
    [isGone, 410, 'Gone'],
    [isGone, 410, 'Unknown'],
    [isGone, 500, 'Expired'],
  ])('is told by its reason (%o %i %s)', (is, code, reason) => {
    expect(is(error(code, reason))).toBe(true);
    expect(is(error(500, 'InternalError'))).toBe(false);
    expect(is(Object.assign(new Error('like one'), { code, reason }))).toBe(false);
  });

  test.each([
    [0, true],
    [200, false],
    [400, false],
    [409, false],
    [410, false],
    [429, true],
    [500, true],
    [503, true],
    [504, true],
  ])('with code %i may be retried: %s', (code, retryable) => {
    expect(isRetryable(error(code, 'Reason'))).toBe(retryable);
  });

  test('keeps its cause and has no fields unless it names some', () => {
    const cause = new Error('below');
    const made = new ApiError('told', { code: 0, reason: 'Unreachable', cause });
    expect(made).toMatchObject({ cause, fields: [], retryAfter: undefined, name: 'ApiError' });
  });
});
