import type { SidecarName } from './binaries.ts';
import type { Manifest } from './manifest.ts';

/** What each program may do: the rules that the upstream project asks for, without those for features that are off here. */

/** API group, resources, verbs; several of each are separated by blanks, and `core` is the group without a name. */
type Rule = readonly [group: string, resources: string, verbs: string];

const read = 'get list watch';
const events: Rule = ['core', 'events', 'list watch create update patch'];

export const sidecarRules: Readonly<Record<SidecarName, readonly Rule[]>> = {
  'csi-provisioner': [
    ['core', 'persistentvolumes', `${read} create patch delete`],
    ['core', 'persistentvolumeclaims', `${read} update`],
    ['core', 'nodes', read],
    ['storage.k8s.io', 'storageclasses csinodes volumeattachments', read],
    ['snapshot.storage.k8s.io', 'volumesnapshots', `${read} update`],
    ['snapshot.storage.k8s.io', 'volumesnapshotcontents', 'get list'],
    events,
  ],
  'csi-snapshotter': [
    ['snapshot.storage.k8s.io', 'volumesnapshotclasses', read],
    ['snapshot.storage.k8s.io', 'volumesnapshotcontents', `${read} update patch`],
    ['snapshot.storage.k8s.io', 'volumesnapshotcontents/status', 'update patch'],
    events,
  ],
  'csi-resizer': [
    ['core', 'persistentvolumes', `${read} patch`],
    ['core', 'persistentvolumeclaims pods', read],
    ['core', 'persistentvolumeclaims/status', 'patch'],
    ['storage.k8s.io', 'volumeattributesclasses', read],
    events,
  ],
  'snapshot-controller': [
    ['core', 'persistentvolumes', read],
    ['core', 'persistentvolumeclaims', `${read} update`],
    ['snapshot.storage.k8s.io', 'volumesnapshotclasses', read],
    ['snapshot.storage.k8s.io', 'volumesnapshotcontents', `${read} create update patch delete`],
    ['snapshot.storage.k8s.io', 'volumesnapshotcontents/status', 'patch'],
    ['snapshot.storage.k8s.io', 'volumesnapshots', `${read} create update patch delete`],
    ['snapshot.storage.k8s.io', 'volumesnapshots/status', 'update patch'],
    events,
  ],
};

/** Namespace of the sidecars' service accounts. */
export const sidecarNamespace = 'kube-system';

/** Service account, role and binding, all of one name. */
export function accountObjects(name: string, rules: readonly Rule[]): readonly Manifest[] {
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: sidecarNamespace } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name },
      rules: rules.map(([group, resources, verbs]) => ({
        apiGroups: [group === 'core' ? '' : group],
        resources: resources.split(' '),
        verbs: verbs.split(' '),
      })),
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: sidecarNamespace }],
      roleRef: role,
    },
  ];
}
