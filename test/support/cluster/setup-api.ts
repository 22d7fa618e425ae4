import type { TestProject } from 'vitest/node';
import { provideCluster } from './provide.ts';

/** Global setup of the integration tests: one kube-apiserver for all files. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  return await provideCluster(project, { tier: 'api', name: 'integration' });
}
