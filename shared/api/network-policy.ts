import type { KubeObject } from './objects.ts';

interface PodSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
}

interface NetworkPort {
  readonly protocol: 'TCP';
  readonly port: number;
}

/** networking.k8s.io/v1, as far as we write it. */
export interface NetworkPolicy extends KubeObject {
  readonly spec: {
    readonly podSelector: PodSelector;
    readonly policyTypes: readonly ('Ingress' | 'Egress')[];
    readonly ingress: readonly {
      readonly from: readonly { readonly podSelector: PodSelector }[];
      readonly ports: readonly NetworkPort[];
    }[];
    readonly egress: readonly {
      readonly to: readonly { readonly podSelector: PodSelector }[];
      readonly ports: readonly NetworkPort[];
    }[];
  };
}
