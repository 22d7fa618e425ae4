/** What a run of csi-sanity came to. */
export interface SanityReport {
  readonly passed: number;
  readonly failed: number;
  /** Its own two last lines, in one. */
  readonly summary: string;
  /** The names of the tests that failed. */
  readonly failures: readonly string[];
}

const RAN = /^Ran (?<ran>\d+) of (?<all>\d+) Specs in (?<seconds>[\d.]+) seconds/m;
const RESULT = /(?<passed>\d+) Passed \| (?<failed>\d+) Failed \| (?<pending>\d+) Pending \| (?<skipped>\d+) Skipped/;

/** Reads the end of Ginkgo's output, without colours. Undefined when it did not come to its end. */
export function parseReport(output: string): SanityReport | undefined {
  const ran = RAN.exec(output)?.groups;
  const result = RESULT.exec(output)?.groups;
  if (ran === undefined || result === undefined) return undefined;
  const { passed, failed, pending, skipped } = result;
  return {
    passed: Number(passed),
    failed: Number(failed),
    summary: `${passed} passed, ${failed} failed, ${pending} pending, ${skipped} skipped, ${ran['seconds']} s`,
    failures: [...new Set([...output.matchAll(/^\s*\[FAIL\] (.+)$/gm)].map((match) => match[1] ?? ''))],
  };
}
