import { expect, test } from 'vitest';
import { objectsOf, type Rendered, renderText } from '../../support/helm/chart.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly Rule[];
  readonly subjects?: readonly object[];
}

const text = await renderText({ only: ['controller/rbac.yaml'] });
const manifests = objectsOf(text) as readonly (Rendered & Manifest)[];

/** `verb group/resource`, for all rules of a kind. */
function rightsOf(kind: string): readonly string[] {
  const rules = manifests.filter((manifest) => manifest.kind === kind).flatMap(({ rules = [] }) => rules);
  return rules
    .flatMap(({ apiGroups, resources, verbs, resourceNames = [] }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.map((verb) => [verb, group === '' ? resource : `${group}/${resource}`, ...resourceNames].join(' ')),
        ),
      ),
    )
    .toSorted();
}

/** A right more is a decision to be made here as well as there. */
test('the controller may do in the whole cluster what it does, and no more', () => {
  expect(rightsOf('ClusterRole')).toEqual(
    [
      'create authorization.k8s.io/subjectaccessreviews',
      'create events.k8s.io/events',
      'create networking.k8s.io/networkpolicies',
      'create persistentvolumeclaims',
      'create pods',
      'create secrets',
      'create snapshot.storage.k8s.io/volumesnapshots',
      'delete persistentvolumeclaims',
      'delete pods',
      'delete snapshot.storage.k8s.io/volumesnapshots',
      'get cdi.kubevirt.io/datavolumes',
      'get events.k8s.io/events',
      'get namespaces',
      'get persistentvolumeclaims',
      'get persistentvolumes',
      'get pods',
      'get pods/log',
      'get snapshot.storage.k8s.io/volumesnapshotcontents',
      'get snapshot.storage.k8s.io/volumesnapshots',
      'list cdi.kubevirt.io/datavolumes',
      'list cdi.kubevirt.io/storageprofiles',
      'list events.k8s.io/events',
      'list persistentvolumeclaims',
      'list persistentvolumes',
      'list pods',
      'list snapshot.storage.k8s.io/volumesnapshots',
      'list snapshot.storage.k8s.io/volumesnapshotclasses',
      'list storage.k8s.io/csidrivers',
      'list storage.k8s.io/storageclasses',
      'patch cdi.kubevirt.io/datavolumes',
      'patch cdi.kubevirt.io/datavolumes/status',
      'patch events.k8s.io/events',
      'patch persistentvolumeclaims',
      'patch persistentvolumes',
      'update cdi.kubevirt.io/datavolumes/finalizers',
      'watch cdi.kubevirt.io/datavolumes',
      'watch cdi.kubevirt.io/storageprofiles',
      'watch persistentvolumeclaims',
      'watch persistentvolumes',
      'watch pods',
      'watch snapshot.storage.k8s.io/volumesnapshots',
      'watch snapshot.storage.k8s.io/volumesnapshotclasses',
      'watch storage.k8s.io/csidrivers',
      'watch storage.k8s.io/storageclasses',
    ].toSorted(),
  );
});

test('leases and keys are only for its own namespace, and but for the first write only its own', () => {
  expect(rightsOf('Role')).toEqual([
    'create configmaps',
    'create coordination.k8s.io/leases',
    'create secrets',
    'get configmaps clonegate-identity-public-key',
    'get configmaps clonegate-stamp-public-keys',
    'get coordination.k8s.io/leases clonegate-controller',
    'get secrets clonegate-identity-key',
    'patch configmaps clonegate-identity-public-key',
    'patch coordination.k8s.io/leases clonegate-controller',
    'patch secrets clonegate-identity-key',
  ]);
});

test('every rule says why', () => {
  const lines = text.split('\n');
  const silent = lines.flatMap((line, at) =>
    line.trimStart().startsWith('- apiGroups') && !/^\s*(?:#|verbs:)/.test(lines[at - 1] ?? '') ? [at + 1] : [],
  );

  expect(silent).toEqual([]);
});

test('all of it goes to one account in one namespace', () => {
  const account = { kind: 'ServiceAccount', name: 'clonegate-controller', namespace: 'clonegate-system' };

  expect(manifests.flatMap(({ subjects = [] }) => subjects)).toEqual([account, account]);
});
