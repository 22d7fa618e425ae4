import { copyKeys, copyPort } from '../../../shared/api/copy.ts';
import { labels } from '../../../shared/api/names.ts';
import type { NetworkPolicy } from '../../../shared/api/network-policy.ts';
import type { ObjectMeta, PersistentVolumeClaim, Secret, Stored } from '../../../shared/api/objects.ts';
import { apiVersionOf, claims, networkPolicies, secrets } from '../../../shared/kube/resource.ts';
import { childLabels, copyKeyName, copyPolicyName } from '../../children.ts';
import type { CreateEffect } from '../../effects.ts';
import { childMeta, create } from '../parts.ts';
import type { CopyPlan } from './pod.ts';

/**
 * What two pods need that copy over the network: a key that both have and nobody else, and a way to each other and to nobody else. All of it
 * is of one try: it is named by the temporary claim and goes with that, by the garbage collector. So nothing but `create` is ever done with
 * it, and the controller needs no right to read the Secrets of anybody.
 */
export function meansOf(plan: CopyPlan): readonly CreateEffect[] {
  return [keyFor(plan), policyFor(plan, 'export', 'import'), policyFor(plan, 'import', 'export')];
}

function keyFor({ volume, to }: CopyPlan): CreateEffect {
  const object: Secret = {
    apiVersion: apiVersionOf(secrets),
    kind: secrets.kind,
    metadata: metaFor({ volume, to }, copyKeyName(to.metadata.uid)),
    type: 'Opaque',
    immutable: true,
  };
  return { ...create(volume, secrets, object), unseen: true, newKey: copyKeys.file };
}

type Role = 'export' | 'import';

/** Policies add up, so it also opens the way in a namespace that forbids all others. */
function policyFor({ volume, to }: CopyPlan, role: Role, other: Role): CreateEffect {
  const podsOf = (of: Role) => ({
    podSelector: { matchLabels: { ...childLabels(volume.metadata.uid), [labels.copyRole]: of } },
  });
  const ports = [{ protocol: 'TCP', port: copyPort }] as const;
  const object: NetworkPolicy = {
    apiVersion: apiVersionOf(networkPolicies),
    kind: networkPolicies.kind,
    metadata: metaFor({ volume, to }, copyPolicyName(to.metadata.uid, role)),
    spec: {
      ...podsOf(role),
      policyTypes: ['Ingress', 'Egress'],
      ingress: role === 'export' ? [{ from: [podsOf(other)], ports }] : [],
      egress: role === 'import' ? [{ to: [podsOf(other)], ports }] : [],
    },
  };
  return { ...create(volume, networkPolicies, object), unseen: true };
}

function metaFor({ volume, to }: Pick<CopyPlan, 'volume' | 'to'>, name: string): ObjectMeta {
  const { ownerReferences: _, ...meta } = childMeta(volume, to.metadata.namespace ?? '', name);
  return { ...meta, ownerReferences: [ownedByClaim(to)] };
}

/** It goes when the claim has gone; no foreground deletion waits for it, which would take a right on the claim's finalizers. */
function ownedByClaim({ metadata: { name, uid } }: Stored<PersistentVolumeClaim>) {
  return { apiVersion: apiVersionOf(claims), kind: claims.kind, name, uid };
}
