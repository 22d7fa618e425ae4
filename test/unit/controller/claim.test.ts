import { expect, test } from 'vitest';
import { plan } from '../../../controller/planner.ts';
import { annotations, labels } from '../../../shared/api/names.ts';
import type { PersistentVolumeClaim } from '../../../shared/api/objects.ts';
import { claim, observed, type VolumeOptions, volume, type World, world } from './world.ts';

/** The claim that would be created. */
function made(options: VolumeOptions = {}, stores: World = world()): PersistentVolumeClaim {
  const next = plan(observed(stores, volume(options)), { answer: 'allowed' });
  const effect = next.state === 'acting' ? next.effects.at(-1) : undefined;
  if (effect?.kind !== 'create') throw new Error(`no claim was to be created: ${JSON.stringify(next)}`);
  return effect.object;
}

test('the target claim is the one that was asked for, made from the source', () => {
  const object = made({
    metadata: { labels: { app: 'web' } },
    claim: { storageClassName: 'fast', volumeMode: 'Block', accessModes: ['ReadWriteMany'] },
  });

  expect(object).toEqual({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      namespace: 'tenant',
      name: 'target',
      labels: { app: 'web', [labels.ownerUid]: 'dv-uid', [labels.managedBy]: 'clonegate' },
      annotations: {
        [annotations.createdForDataVolume]: 'dv-uid',
        [annotations.cloneOf]: 'true',
        [annotations.contentType]: 'kubevirt',
      },
      ownerReferences: [
        {
          apiVersion: 'cdi.kubevirt.io/v1beta1',
          kind: 'DataVolume',
          name: 'target',
          uid: 'dv-uid',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      storageClassName: 'fast',
      accessModes: ['ReadWriteMany'],
      volumeMode: 'Block',
      resources: { requests: { storage: '1Gi' } },
      dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'source' },
    },
  });
});

test('what the DataVolume leaves out comes from the cluster', () => {
  expect(made({ claim: { accessModes: [] } }).spec).toMatchObject({
    storageClassName: 'fast',
    accessModes: ['ReadWriteOnce'],
    volumeMode: 'Filesystem',
  });
});

test.each([
  ['nothing is asked for', {}],
  ['less is asked for than the volume really has', { resources: { requests: { storage: '900Mi' } } }],
])('the size is that of the source when %s', (_name, size) => {
  const spec = { source: { pvc: { namespace: 'tenant', name: 'source' } }, storage: size };

  expect(made({ spec }).spec?.resources).toEqual({ requests: { storage: '1Gi' } });
});

test('annotations of the user are not copied, and labels cannot take the place of ours', () => {
  const object = made({
    metadata: {
      annotations: { 'volume.kubernetes.io/selected-node': 'node-7' },
      labels: { [labels.ownerUid]: 'someone', [labels.managedBy]: 'me' },
    },
  });

  expect(object.metadata.annotations).not.toHaveProperty(annotations.selectedNode);
  expect(object.metadata.labels).toEqual({ [labels.ownerUid]: 'dv-uid', [labels.managedBy]: 'clonegate' });
});

test('the claim cannot be bound to a volume that exists, which would not be cloned', () => {
  const asked = {
    volumeName: 'pv-1',
    selector: { matchLabels: { a: 'b' } },
    dataSource: { kind: 'PersistentVolumeClaim', name: 'elsewhere' },
    dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'elsewhere' },
  };

  const { spec } = made({ claim: asked });

  expect(spec).not.toHaveProperty('volumeName');
  expect(spec).not.toHaveProperty('selector');
  expect(spec).not.toHaveProperty('dataSource');
  expect(spec?.dataSourceRef).toEqual({ kind: 'PersistentVolumeClaim', name: 'source' });
});

test('limits and other wishes about the claim are kept', () => {
  const asked = { resources: { requests: { storage: '1Gi' }, limits: { storage: '2Gi' } } };

  expect(made({ claim: asked }).spec?.resources).toEqual({ requests: { storage: '1Gi' }, limits: { storage: '2Gi' } });
});

test('an archive is marked as one', () => {
  const stores = world();
  stores.claims.upsert(claim('source', { metadata: { annotations: { [annotations.contentType]: 'archive' } } }));
  const spec = {
    source: { pvc: { namespace: 'tenant', name: 'source' } },
    pvc: { accessModes: ['ReadWriteOnce'] },
    contentType: 'archive',
  };

  expect(made({ spec }, stores).metadata.annotations?.[annotations.contentType]).toBe('archive');
});
