import { reserved } from './changes.ts';

/** Where in a DataVolume, and in a review, something can be put or taken away. */

type Path = readonly string[];

function below(parent: Path, keys: readonly string[]): readonly Path[] {
  return keys.map((key) => [...parent, key]);
}

const metadata = [
  'name',
  'generateName',
  'namespace',
  'uid',
  'labels',
  'creationTimestamp',
  'deletionTimestamp',
  'annotations',
  'finalizers',
  'ownerReferences',
  'managedFields',
  'resourceVersion',
  '__proto__',
];
const annotations = [
  ...Object.values(reserved),
  'cdi.kubevirt.io/storage.prePopulated',
  'cdi.kubevirt.io/storage.checkStaticVolume',
  'cdi.kubevirt.io/allowClaimAdoption',
  'clonegate.io/strategy',
  'clonegate.io/clone',
  'x',
  '__proto__',
  'constructor',
  'a~1/b',
];
const claim = ['accessModes', 'storageClassName', 'volumeMode', 'resources', 'dataSourceRef', 'dataSource', 'selector'];

function claimPaths(kind: string): readonly Path[] {
  const parent = ['spec', kind];
  return [
    ...below(parent, claim),
    [...parent, 'resources', 'requests'],
    [...parent, 'resources', 'requests', 'storage'],
    [...parent, 'resources', 'limits', 'storage'],
  ];
}

export const objectPaths: readonly Path[] = [
  ...below([], ['spec', 'status', 'kind', 'apiVersion', 'metadata', '__proto__']),
  ...below(['metadata'], metadata),
  ...below(['metadata', 'annotations'], annotations),
  ...below(['spec'], ['source', 'sourceRef', 'pvc', 'storage', 'contentType', 'checkpoints', '__proto__']),
  ...below(['spec', 'source'], ['pvc', 'snapshot', 'http', 'blank', '__proto__']),
  ...below(['spec', 'source', 'pvc'], ['namespace', 'name', 'uid']),
  ...below(['spec', 'source', 'snapshot'], ['namespace', 'name', 'uid']),
  ...below(['spec', 'sourceRef'], ['kind', 'namespace', 'name', 'apiGroup']),
  ...claimPaths('pvc'),
  ...claimPaths('storage'),
];

const request = [
  'uid',
  'operation',
  'resource',
  'subResource',
  'name',
  'namespace',
  'userInfo',
  'dryRun',
  'object',
  'oldObject',
  'kind',
  'options',
  'requestKind',
  '__proto__',
];

export const requestPaths: readonly Path[] = [
  ...below([], ['kind', 'apiVersion', 'request', 'response', '__proto__']),
  ...below(['request'], request),
  ...below(['request', 'userInfo'], ['username', 'uid', 'groups', 'extra', '__proto__']),
];
