/** What a benchmark says about many measurements. Pure. */

/**
 * The value below which the share `p` of all values lies, by nearest rank.
 * @param p in (0, 1]. @throws RangeError without values: nothing is not fast.
 */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('no values to take a percentile of');
  return value;
}

/** Of an even number of values the mean of the two in the middle. @throws RangeError without values. */
export function median(values: readonly number[]): number {
  const lower = percentile(values, 0.5);
  if (values.length % 2 === 1) return lower;
  const sorted = [...values].sort((a, b) => a - b);
  return (lower + (sorted[values.length / 2] ?? lower)) / 2;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** `items` in an order that begins elsewhere in each round, so that none is always first or always after the same other. */
export function rotated<T>(items: readonly T[], round: number): readonly T[] {
  const start = round % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
