import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { Folders } from './identity.ts';

/** What the parts of a cluster share while it is being started. */
export interface Site {
  readonly id: string;
  readonly folders: Folders;
  readonly binaries: Binaries;
  /** How many real nodes it has; without any, there is one on paper where there is storage. */
  readonly nodes: number;
  /** Told when one of the cluster's programs ends by itself: without that, a test would only see its own deadline. */
  readonly onDeath: (message: string) => void;
}

export const logFileOf = (site: Site, name: string): string => join(site.folders.state, 'logs', `${name}.log`);
export const serviceAccountKeyFile = (site: Site): string => join(site.folders.state, 'pki', 'service-account.key');
