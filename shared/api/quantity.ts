/**
 * Kubernetes quantities as exact integers of bytes. Sizes are compared and computed as bigint everywhere: a double loses bytes above
 * 8 PiB and fractions of a byte have no meaning for a volume, so they are rounded up as the API server's own `Value()` does.
 */

export class QuantityError extends Error {
  override readonly name = 'QuantityError';
}

const binary: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const decimal: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

// resource.Quantity's grammar: sign, digits with an optional fraction, then one suffix or one decimal exponent.
const grammar = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?$/;

/** A longer text is no size that anyone would write; the bound keeps hostile input cheap. */
const longest = 64;

/**
 * Bytes of a quantity such as `10Gi`, `1500M`, `1e9` or `0.5Gi`, rounded up to a whole byte.
 * @throws QuantityError naming the text when it is no quantity.
 */
export function parseQuantity(given: string | number): bigint {
  // A custom resource keeps a size as it was written, and `storage: 1073741824` is a number.
  const text = String(given);
  const match = text.length <= longest ? grammar.exec(text) : null;
  if (match === null)
    throw new QuantityError(`not a quantity: ${JSON.stringify(text.slice(0, longest))} (write for example 10Gi)`);
  const [, sign, digits = '', two, ten, exponent] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  const mantissa = BigInt(`${whole}${fraction}`);
  const scale = two === undefined ? (exponent === undefined ? (decimal[ten ?? ''] ?? 0) : Number(exponent)) : 0;
  const shift = two === undefined ? 0 : (binary[two] ?? 0);
  const power = scale - fraction.length;
  const scaled = mantissa << BigInt(shift);
  const bytes = power >= 0 ? scaled * 10n ** BigInt(power) : ceilDivide(scaled, 10n ** BigInt(-power));
  return sign === '-' ? -bytes : bytes;
}

export function isQuantity(text: string): boolean {
  return text.length <= longest && grammar.test(text);
}

/** The quantity as canonical text: the largest binary unit that divides it, else plain bytes. */
export function formatQuantity(bytes: bigint): string {
  const unit = Object.entries(binary)
    .toReversed()
    .find(([, shift]) => bytes !== 0n && bytes % (1n << BigInt(shift)) === 0n);
  return unit === undefined ? bytes.toString() : `${bytes >> BigInt(unit[1])}${unit[0]}`;
}

/** `a / b` rounded up, for non-negative `a` and positive `b`. */
export function ceilDivide(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}
