import type { Cluster } from '../../support/cluster/index.ts';
import { must } from './scene.ts';

/** The snapshot API as far as admission goes: its definitions, and a class of the scene's driver. Nobody takes snapshots here. */

function definition(kind: string, plural: string, scope: string): object {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.snapshot.storage.k8s.io`,
      // Without it the API server takes no definition of a group that is Kubernetes' own.
      annotations: { 'api-approved.kubernetes.io': 'unapproved, for tests' },
    },
    spec: {
      group: 'snapshot.storage.k8s.io',
      scope,
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

const definitions = [
  definition('VolumeSnapshot', 'volumesnapshots', 'Namespaced'),
  definition('VolumeSnapshotClass', 'volumesnapshotclasses', 'Cluster'),
];

const snapshotClass = {
  apiVersion: 'snapshot.storage.k8s.io/v1',
  kind: 'VolumeSnapshotClass',
  metadata: { name: 'fast-snapshots' },
  driver: 'csi.example.com',
  deletionPolicy: 'Delete',
};

export async function installSnapshots(cluster: Pick<Cluster, 'kubectl'>): Promise<void> {
  const apply = async (...items: readonly object[]): Promise<void> => {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await must(cluster.kubectl(['apply', '--server-side', '-f', '-'], { input }));
  };
  await apply(...definitions);
  await must(
    cluster.kubectl([
      'wait',
      '--for=condition=Established',
      '--timeout=180s',
      'crd/volumesnapshots.snapshot.storage.k8s.io',
      'crd/volumesnapshotclasses.snapshot.storage.k8s.io',
    ]),
  );
  await apply(snapshotClass);
}
