import { describe, expect, test } from 'vitest';
import type { Stored } from '../../../shared/api/objects.ts';
import type { Pod } from '../../../shared/api/pod.ts';
import { claimsUsedBy, claimsWrittenBy, useOf, writtenBy } from '../../../shared/api/pods.ts';
import { pod } from '../controller/world.ts';

type Spec = NonNullable<Pod['spec']>;

function podOf(spec: Spec, phase = 'Running'): Stored<Pod> {
  return { ...pod('vm'), spec, status: { phase } };
}

const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'source' } }];
const writing = [{ name: 'main', volumeMounts: [{ name: 'data' }] }];
const reading = [{ name: 'main', volumeMounts: [{ name: 'data', readOnly: true }] }];

const rows: readonly { readonly name: string; readonly pod: Stored<Pod>; readonly writes: readonly string[] }[] = [
  { name: 'a container mounts it', pod: podOf({ volumes, containers: writing }), writes: ['source'] },
  {
    name: 'a pod that is not running yet mounts it',
    pod: podOf({ volumes, containers: writing }, 'Pending'),
    writes: ['source'],
  },
  { name: 'an init container mounts it', pod: podOf({ volumes, initContainers: writing }), writes: ['source'] },
  { name: 'a debug container mounts it', pod: podOf({ volumes, ephemeralContainers: writing }), writes: ['source'] },
  {
    name: 'it is a block device',
    pod: podOf({ volumes, containers: [{ name: 'main', volumeDevices: [{ name: 'data' }] }] }),
    writes: ['source'],
  },
  {
    name: 'one of two mounts is for writing',
    pod: podOf({ volumes, containers: [...reading, ...writing] }),
    writes: ['source'],
  },
  {
    name: 'two volumes are the same claim',
    pod: podOf({
      volumes: [...volumes, { name: 'again', persistentVolumeClaim: { claimName: 'source' } }],
      containers: [{ name: 'main', volumeMounts: [{ name: 'data' }, { name: 'again' }] }],
    }),
    writes: ['source'],
  },
  {
    name: "the volume is the pod's own",
    pod: podOf({ volumes: [{ name: 'data', ephemeral: {} }], containers: writing }),
    writes: ['vm-data'],
  },
  { name: 'every mount only reads', pod: podOf({ volumes, containers: reading }), writes: [] },
  {
    name: 'the volume itself is read-only',
    pod: podOf({
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'source', readOnly: true } }],
      containers: writing,
    }),
    writes: [],
  },
  { name: 'nothing mounts it', pod: podOf({ volumes, containers: [{ name: 'main' }] }), writes: [] },
  { name: 'the pod has succeeded', pod: podOf({ volumes, containers: writing }, 'Succeeded'), writes: [] },
  { name: 'the pod has failed', pod: podOf({ volumes, containers: writing }, 'Failed'), writes: [] },
  { name: 'the pod has no volumes', pod: podOf({ containers: writing }), writes: [] },
  { name: 'the pod says nothing', pod: { metadata: pod('vm').metadata }, writes: [] },
];

describe('the claims that a pod may write to', () => {
  test.each(rows)('when $name: $writes', ({ pod: given, writes }) => {
    expect(claimsWrittenBy(given)).toEqual(writes);
  });

  test.each(rows)('are the same in what is kept of the pod when $name', ({ pod: given, writes }) => {
    expect(writtenBy(useOf(given))).toEqual(writes.map((name) => `tenant/${name}`));
  });
});

describe('the claims that a pod uses', () => {
  test.each(rows)('when $name are those that it may write to, and those that it only has', ({ pod: given, writes }) => {
    const over = given.status?.phase === 'Succeeded' || given.status?.phase === 'Failed';
    const has = (given.spec?.volumes ?? []).some(({ persistentVolumeClaim: one }) => one?.claimName === 'source');
    const used = claimsUsedBy(given);

    expect(used).toEqual(expect.arrayContaining([...writes]));
    expect(used.includes('source')).toBe(has && !over);
    const kept = useOf(given);
    expect([...kept.writes, ...kept.reads].toSorted()).toEqual(used.toSorted());
    expect(kept.writes).toEqual(writes);
  });
});

test('only its name is kept beside that', () => {
  const given = podOf({
    volumes: [{ name: 'config' }],
    containers: [{ name: 'main', volumeMounts: [{ name: 'config' }] }],
  });
  const labelled = { ...given, metadata: { ...given.metadata, labels: { app: 'web' } } };

  expect(useOf(labelled)).toEqual({
    metadata: { name: 'vm', namespace: 'tenant', uid: 'vm-uid', resourceVersion: '10' },
    writes: [],
    reads: [],
  });
});
