import { expect, test } from 'vitest';
import { parseReport } from '../../../support/csi/sanityreport.ts';

const output = `• [FAILED] [0.010 seconds]
Summarizing 1 Failure:
  [FAIL] Controller Service [Controller Server] CreateVolume [It] should fail when no name is provided
  /somewhere/controller.go:10

Ran 64 of 103 Specs in 1.716 seconds
FAIL! -- 63 Passed | 1 Failed | 1 Pending | 38 Skipped
`;

test('the end of a run is read with its numbers and the tests that failed', () => {
  expect(parseReport(output)).toEqual({
    passed: 63,
    failed: 1,
    summary: '63 passed, 1 failed, 1 pending, 38 skipped, 1.716 s',
    failures: ['Controller Service [Controller Server] CreateVolume [It] should fail when no name is provided'],
  });
});

test('a run that did not come to its end has no report', () => {
  expect(parseReport(output.slice(0, 120))).toBeUndefined();
});
