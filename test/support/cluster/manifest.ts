import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import type { Api } from './api.ts';

/** An object to be applied. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** Plural names of the kinds that clusters are furnished with. */
const plurals: Readonly<Record<string, string>> = {
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  CSIDriver: 'csidrivers',
  CSINode: 'csinodes',
  CustomResourceDefinition: 'customresourcedefinitions',
  DataSource: 'datasources',
  Namespace: 'namespaces',
  Node: 'nodes',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  RoleBinding: 'rolebindings',
  ServiceAccount: 'serviceaccounts',
  StorageClass: 'storageclasses',
  StorageProfile: 'storageprofiles',
  VolumeSnapshot: 'volumesnapshots',
  VolumeSnapshotClass: 'volumesnapshotclasses',
};

/** @throws Error for a kind that is not in the table above. */
export function pathOfManifest({ apiVersion, kind, metadata }: Manifest): string {
  const plural = plurals[kind];
  if (plural === undefined)
    throw new Error(`no plural known for kind ${kind}: add it to test/support/cluster/manifest.ts`);
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${root}${namespace}/${plural}/${metadata.name}`;
}

/** One request each and all at once: far quicker than kubectl, which asks for the API's whole description first. */
export async function applyAll(api: Api, manifests: readonly Manifest[]): Promise<void> {
  await Promise.all(manifests.map((manifest) => api.apply(pathOfManifest(manifest), manifest)));
}

/** All documents of YAML files. */
export async function readManifests(files: readonly string[]): Promise<readonly Manifest[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Manifest));
}
