import type { TestProject } from 'vitest/node';
import { provideCluster } from './provide.ts';

/** Global setup of the tests on a real node: one control plane with the default CSI driver and one node for all files. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  return await provideCluster(project, { tier: 'node', name: 'node' });
}
