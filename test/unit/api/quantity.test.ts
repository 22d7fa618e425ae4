import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatQuantity, parseQuantity, QuantityError } from '../../../shared/api/quantity.ts';

describe('parseQuantity', () => {
  it.each([
    ['0', 0n],
    ['1', 1n],
    ['10Gi', 10n << 30n],
    ['0.5Gi', 1n << 29n],
    ['1.5Ki', 1536n],
    ['1500M', 1_500_000_000n],
    ['1k', 1000n],
    ['1e9', 1_000_000_000n],
    ['1E3', 1000n],
    ['1E', 10n ** 18n],
    ['1Ei', 1n << 60n],
    ['100m', 1n],
    ['1001m', 2n],
    ['.5Ki', 512n],
    ['5.', 5n],
    ['-1Ki', -1024n],
    ['+2', 2n],
    ['9007199254740993', 9_007_199_254_740_993n],
  ])('reads %s', (text, bytes) => {
    expect(parseQuantity(text)).toBe(bytes);
  });

  it('reads a bare number, as YAML without quotes gives it', () => {
    expect(parseQuantity(1_073_741_824)).toBe(1n << 30n);
  });

  it.each([
    '',
    ' ',
    'Gi',
    '1 Gi',
    '1gi',
    '1Gib',
    '0x10',
    '1e',
    '1e1234',
    '--1',
    '1.2.3',
    'NaN',
    'Infinity',
    '１',
    '9'.repeat(65),
  ])('refuses %j and says so', (text) => {
    expect(() => parseQuantity(text)).toThrow(QuantityError);
  });

  it('never throws anything else, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseQuantity(text);
        } catch (error) {
          expect(error).toBeInstanceOf(QuantityError);
        }
      }),
    );
  });
});

describe('formatQuantity', () => {
  it.each([
    [0n, '0'],
    [1023n, '1023'],
    [1024n, '1Ki'],
    [10n << 30n, '10Gi'],
    [(10n << 30n) + 1n, '10737418241'],
  ])('writes %s as %s', (bytes, text) => {
    expect(formatQuantity(bytes)).toBe(text);
  });

  it('is read back as the same number', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 80n }), (bytes) => {
        expect(parseQuantity(formatQuantity(bytes))).toBe(bytes);
      }),
    );
  });
});
