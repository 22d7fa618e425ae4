import type { KubeObject } from './objects.ts';

/** The parts of pods that we read or write. */

export interface Pod extends KubeObject {
  readonly spec?: {
    readonly volumes?: readonly {
      readonly name: string;
      readonly persistentVolumeClaim?: { readonly claimName: string; readonly readOnly?: boolean };
      /** Has a claim of its own, called `<pod>-<volume>`. */
      readonly ephemeral?: object;
      readonly secret?: { readonly secretName: string; readonly defaultMode?: number };
      readonly emptyDir?: { readonly medium?: 'Memory'; readonly sizeLimit?: string };
    }[];
    readonly containers?: readonly PodContainer[];
    readonly initContainers?: readonly PodContainer[];
    readonly ephemeralContainers?: readonly PodContainer[];
    readonly automountServiceAccountToken?: boolean;
    readonly enableServiceLinks?: boolean;
    readonly terminationGracePeriodSeconds?: number;
    readonly restartPolicy?: string;
    readonly priorityClassName?: string;
    readonly nodeSelector?: Readonly<Record<string, string>>;
    readonly tolerations?: readonly Toleration[];
    readonly affinity?: object;
    readonly securityContext?: object;
    readonly nodeName?: string;
  };
  readonly status?: PodStatus;
}

export interface PodStatus {
  readonly phase?: string;
  /** Set by who ends a pod from outside: `Evicted`, `NodeLost`. */
  readonly reason?: string;
  readonly message?: string;
  readonly podIP?: string;
  readonly conditions?: readonly PodCondition[];
  readonly containerStatuses?: readonly ContainerStatus[];
}

export interface PodCondition {
  readonly type: string;
  readonly status: string;
  /** When `status` came to be what it is. */
  readonly lastTransitionTime?: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface ContainerStatus {
  readonly name: string;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: object;
    readonly terminated?: {
      readonly exitCode?: number;
      readonly signal?: number;
      readonly reason?: string;
      /** The termination message. */
      readonly message?: string;
    };
  };
}

export interface Toleration {
  readonly key?: string;
  readonly operator: 'Equal' | 'Exists';
  readonly value?: string;
  readonly effect?: string;
}

export interface PodContainer {
  readonly name: string;
  readonly image?: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly valueFrom: object }[];
  readonly terminationMessagePolicy?: string;
  readonly resources?: object;
  readonly securityContext?: object;
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath?: string;
    readonly readOnly?: boolean;
  }[];
  readonly volumeDevices?: readonly { readonly name: string; readonly devicePath?: string }[];
}
