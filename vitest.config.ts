import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import type { Tier } from './test/support/cluster/index.ts';
import { machineObstacle } from './test/support/cluster/node/requirements.ts';

const obstacle = machineObstacle();
if (obstacle !== undefined) console.warn(`the tests of pods are NOT run here: ${obstacle}`);

/**
 * The tiers, told apart by folder: what a tier may touch is written in CONTRIBUTING.md. No test asserts a time; the limits are there to
 * end what hangs, and wide enough for a machine that is busy with other things. Files share one process, which saves each the loading of what
 * all of them import (0.6 s of CPU time): no module has a state of its own. `webhook` and `faults` are parts of `integration` and `e2e` that
 * may go on beside the rest of it.
 */
export default defineConfig({
  test: {
    // The clusters that all files share are taken down at the end.
    teardownTimeout: 240_000,
    // `make test` runs each project by itself, and where there can be no node, one has no files.
    passWithNoTests: obstacle !== undefined,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          isolate: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 0 },
        },
      },
      onCluster('integration', 1, 'api', { include: within('integration'), exclude: within('integration/webhook') }),
      onCluster('webhook', 2, 'api', { include: within('integration/webhook') }),
      onCluster('e2e', 3, 'storage', {
        include: within('e2e'),
        exclude: [...within('e2e/controller/faults'), ...within('e2e/node')],
      }),
      onCluster('faults', 4, 'storage', { include: within('e2e/controller/faults') }),
      onCluster('node', 5, 'node', { include: obstacle === undefined ? within('e2e/node') : [] }),
    ],
  },
});

/** All test files in a folder of tests. */
function within(folder: string): string[] {
  return [`test/${folder}/**/*.test.ts`];
}

/** One file after the other, on a cluster that they share. */
function onCluster(
  name: string,
  groupOrder: number,
  tier: Tier,
  files: { include: string[]; exclude?: string[] },
): TestProjectInlineConfiguration {
  const timeout = tier === 'api' ? 600_000 : 1_200_000;
  return {
    test: {
      name,
      ...files,
      globalSetup: [`test/support/cluster/setup-${tier}.ts`],
      sequence: { groupOrder },
      testTimeout: timeout,
      hookTimeout: timeout,
      fileParallelism: false,
      isolate: false,
    },
  };
}
