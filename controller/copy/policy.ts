import type { Toleration } from '../../shared/api/pod.ts';

/** What the administrator set about copies. */
export interface CopyPolicy {
  readonly image: string;
  /** Of the copy pod, by resource. */
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
  /** Empty: the cluster's default. */
  readonly priorityClass: string;
  /** Those that a DataVolume may ask for instead. */
  readonly priorityClasses: readonly string[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly Toleration[];
  /** Bytes per second of one copy; 0: any. */
  readonly bandwidth: bigint;
  readonly verify: boolean;
  /** Two pods copy, over the network, where no node reaches both volumes. */
  readonly network: boolean;
  /** Milliseconds without a node after which they do where that is not proven. */
  readonly networkAfter: number;
  /** How often a copy that failed is begun anew. */
  readonly retries: number;
  /** Milliseconds before the first time; twice as long before each further one. */
  readonly backoff: number;
}

/** Milliseconds. */
const longestBackoff = 300_000;

/** Milliseconds to wait after the last of so many failures. */
export function backoffAfter(failures: number, { backoff }: CopyPolicy): number {
  return Math.min(backoff * 2 ** Math.min(Math.max(failures - 1, 0), 30), Math.max(longestBackoff, backoff));
}

/** From the settings. */
export function copyPolicyOf(settings: {
  readonly copyImage: string;
  readonly copyRequests: CopyPolicy['requests'];
  readonly copyLimits: CopyPolicy['limits'];
  readonly copyPriorityClass: string;
  readonly copyPriorityClasses: readonly string[];
  readonly copyNodeSelector: CopyPolicy['nodeSelector'];
  readonly copyTolerations: readonly Toleration[];
  readonly copyBandwidth: bigint;
  readonly copyVerify: boolean;
  readonly copyNetwork: boolean;
  readonly copyNetworkAfter: number;
  readonly copyRetries: number;
  readonly copyBackoff: number;
}): CopyPolicy {
  return {
    image: settings.copyImage,
    requests: settings.copyRequests,
    limits: settings.copyLimits,
    priorityClass: settings.copyPriorityClass,
    priorityClasses: settings.copyPriorityClasses,
    nodeSelector: settings.copyNodeSelector,
    tolerations: settings.copyTolerations,
    bandwidth: settings.copyBandwidth,
    verify: settings.copyVerify,
    network: settings.copyNetwork,
    networkAfter: settings.copyNetworkAfter,
    retries: settings.copyRetries,
    backoff: settings.copyBackoff,
  };
}
