import type { TestProject } from 'vitest/node';
import type { ClusterAddress } from './access.ts';
import { type ClusterOptions, startCluster } from './index.ts';
import { leaksOf } from './leaks.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The cluster that all test files of a project share; see `sharedCluster`. */
    readonly cluster: ClusterAddress;
  }
}

/** For a project's global setup: starts the shared cluster. @returns the teardown, which fails when something is left. */
export async function provideCluster(project: TestProject, options: ClusterOptions): Promise<() => Promise<void>> {
  const cluster = await startCluster(options);
  project.provide('cluster', cluster.address);
  return async () => {
    await cluster.stop();
    const left = leaksOf(cluster.address.id);
    if (left.length > 0) throw new Error(`the cluster of the tests was stopped, and left ${left.join(', ')}`);
  };
}
