import { keyOf, type PersistentVolumeClaim, type Stored } from '../../shared/api/objects.ts';
import type { Pod } from '../../shared/api/pod.ts';
import { apiVersionOf, pods } from '../../shared/kube/resource.ts';
import { helperName } from '../children.ts';
import type { CreateEffect } from '../effects.ts';
import type { Observed } from '../observed.ts';
import { childMeta, create } from './parts.ts';

/** A pod that does nothing but have a claim mounted: only a node can make a file system grow, and only a pod can be a first consumer. */

/** Whether there is such a pod for a claim, on its way out or not. */
export function helps({ children }: Observed, claim: Stored<PersistentVolumeClaim> | undefined): boolean {
  return claim !== undefined && children.helpers.some((pod) => mounts(pod, claim));
}

export function mounts({ metadata, spec }: Stored<Pod>, claim: Stored<PersistentVolumeClaim>): boolean {
  const names = (spec?.volumes ?? []).map(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName);
  return metadata.namespace === claim.metadata.namespace && names.includes(claim.metadata.name);
}

/**
 * It stays until it is deleted, so that there is no race between what the node does and the end of the pod; hence an image that only
 * sleeps (`pause`, which nodes have anyway), and no command. Pod Security "restricted" lets it in everywhere, and a quota that wants
 * requests and limits finds them.
 */
export function helperPod({ volume, helperImage }: Observed, claim: Stored<PersistentVolumeClaim>): CreateEffect {
  const { namespace = '', name } = claim.metadata;
  const data = 'data';
  const isBlock = claim.spec?.volumeMode === 'Block';
  const use = isBlock
    ? { volumeDevices: [{ name: data, devicePath: '/dev/clone' }] }
    : { volumeMounts: [{ name: data, mountPath: '/clone' }] };
  const object: Pod = {
    apiVersion: apiVersionOf(pods),
    kind: pods.kind,
    metadata: childMeta(volume, namespace, helperName(volume.metadata.uid)),
    spec: {
      containers: [{ name: 'pause', image: helperImage, resources, securityContext, ...use }],
      volumes: [{ name: data, persistentVolumeClaim: { claimName: name } }],
      // No program runs in it that could use a token or find services.
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // Not 0, which would take the pod away before its node has let go of the volume. The image ends at once when it is asked to.
      terminationGracePeriodSeconds: 5,
      // No fsGroup: it would change the owner of everything in the clone.
      securityContext: { runAsNonRoot: true, runAsUser: nobody, seccompProfile: { type: 'RuntimeDefault' } },
    },
  };
  return create(volume, pods, object);
}

/** The user that the pause image runs as by itself. */
const nobody = 65_535;
const amounts = { cpu: '10m', memory: '16Mi' };
const resources = { requests: amounts, limits: amounts };
const securityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/** Whether any pod, of ours or not, has the claim mounted or is about to. */
export function isMounted({ mounted }: Observed, claim: Stored<PersistentVolumeClaim>): boolean {
  return mounted.has(keyOf(claim.metadata));
}
