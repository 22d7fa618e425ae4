/** How long an answer may take, from what the API server says in the URL (`?timeout=10s`). */

/** The API server's default for webhooks, and the most that a configuration may ask for. Milliseconds. */
const usual = 10_000;
const most = 30_000;
/** The answer has to travel back, and the API server has to read it. Milliseconds. */
const margin = 500;
/** A share of a short time: half of one second is more than half of the call. */
const marginShare = 0.1;

const units: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 0.001,
  µs: 0.001,
  ns: 0.000001,
};

/**
 * Milliseconds until the answer must be there, a little less than the API server waits: an answer that says what went wrong helps
 * more than a call that timed out. @param timeout as Go prints a duration; anything else counts as not given.
 */
export function budgetOf(timeout: unknown): number {
  const given = typeof timeout === 'string' ? parseDuration(timeout) : undefined;
  const whole = Math.min(given ?? usual, most);
  return Math.max(1, Math.round(whole - Math.min(margin, whole * marginShare)));
}

/** Milliseconds, more than 0. */
function parseDuration(text: string): number | undefined {
  if (text.length > 32 || !/^(?:\d+(?:\.\d+)?(?:h|ms|us|µs|ns|m|s))+$/u.test(text)) return undefined;
  const parts = [...text.matchAll(/([\d.]+)([a-zµ]+)/gu)];
  const sum = parts.reduce((total, [, count, unit = '']) => total + Number(count) * (units[unit] ?? 0), 0);
  return sum > 0 ? sum : undefined;
}
