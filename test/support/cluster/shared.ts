import { inject } from 'vitest';
import { attach, type ClusterAccess } from './access.ts';

/**
 * The cluster that the project's global setup has started. Files share it, so each keeps to namespaces of its own; a test that kills
 * the API server starts a cluster of its own with `startCluster`.
 */
export function sharedCluster(): ClusterAccess {
  return attach(inject('cluster'));
}
