import { defineConfig } from 'vitest/config';
import { machineObstacle } from './test/support/cluster/node/requirements.ts';

const obstacle = machineObstacle();
if (obstacle !== undefined) console.warn(`the tests of pods are NOT run here: ${obstacle}`);

/**
 * The tiers, told apart by folder: what a tier may touch is written in CONTRIBUTING.md. No test asserts a time; the limits are there to
 * end what hangs, and wide enough for a machine that is busy with other things. Files share one process, which saves each the loading of what
 * all of them import (0.6 s of CPU time): no module has a state of its own.
 */
export default defineConfig({
  test: {
    // The clusters that all files share are taken down at the end.
    teardownTimeout: 240_000,
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
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/cluster/setup-api.ts'],
          sequence: { groupOrder: 1 },
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          isolate: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['test/e2e/node/**'],
          globalSetup: ['test/support/cluster/setup-storage.ts'],
          sequence: { groupOrder: 2 },
          testTimeout: 1_200_000,
          hookTimeout: 1_200_000,
          fileParallelism: false,
          isolate: false,
        },
      },
      {
        test: {
          name: 'node',
          include: obstacle === undefined ? ['test/e2e/node/**/*.test.ts'] : [],
          globalSetup: ['test/support/cluster/setup-node.ts'],
          sequence: { groupOrder: 3 },
          testTimeout: 1_200_000,
          hookTimeout: 1_200_000,
          fileParallelism: false,
          isolate: false,
        },
      },
    ],
  },
});
