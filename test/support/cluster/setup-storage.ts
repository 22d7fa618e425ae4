import type { TestProject } from 'vitest/node';
import { provideCluster } from './provide.ts';

/** Global setup of the end-to-end tests: one control plane with controllers and the default CSI driver for all files. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  return await provideCluster(project, { tier: 'storage', name: 'e2e' });
}
