import { describe, expect, test } from 'vitest';
import type { Verification } from '../../../../controller/authorize.ts';
import { childLabels, restoredName } from '../../../../controller/children.ts';
import { snapshotContent } from '../../../../controller/copy/content.ts';
import type { Stored, VolumeSnapshotContent } from '../../../../shared/api/objects.ts';
import { ApiError } from '../../../../shared/kube/errors.ts';
import { volumeSnapshotContents } from '../../../../shared/kube/resource.ts';
import { MemoryApi } from '../../../support/memory-client.ts';
import { given, temporary } from '../steps/elsewhere.ts';
import { claim, uid, valid, volume, type World, world } from '../world.ts';

const { signal } = new AbortController();
const stamp = { ...valid, source: { kind: 'VolumeSnapshot', namespace: 'golden', name: 'source' } } as const;
const content: VolumeSnapshotContent = {
  metadata: { name: 'content-1' },
  spec: { driver: 'csi.example.com', volumeSnapshotRef: { uid: 'given-uid' } },
};

const claimOfThatName = { ...stamp.source, kind: 'PersistentVolumeClaim' } as const;
const restored = claim(restoredName(uid), {
  metadata: { namespace: 'golden', uid: 'restored-uid', labels: childLabels(uid) },
});

async function found(
  change: (stores: World) => void = () => undefined,
  more: { object?: VolumeSnapshotContent; strategy?: 'copy' | 'snapshot'; from?: Verification } = {},
) {
  const { object = content, strategy = 'copy', from = stamp } = more;
  const stores = world();
  stores.snapshots.upsert(given({ readyToUse: true, boundVolumeSnapshotContentName: 'content-1' }));
  change(stores);
  const api = new MemoryApi();
  const client = api.client();
  await client.create(volumeSnapshotContents, object);
  api.calls.length = 0;
  const seen = await snapshotContent({ client, stores }, volume({ strategy }), from, signal);
  return { driver: seen?.spec?.driver, calls: api.calls.length };
}

describe('what a snapshot is bound to', () => {
  test('is read for a copy that has yet to restore it', async () => {
    expect(await found()).toEqual({ driver: 'csi.example.com', calls: 1 });
  });

  test.each<[string, Parameters<typeof found>]>([
    ['of a claim', [undefined, { from: valid }]],
    ['of a claim that is called as a snapshot is', [undefined, { from: { ...valid, source: claimOfThatName } }]],
    ['whose stamp is worth nothing', [undefined, { from: { valid: false, message: 'no' } }]],
    ['that has restored it', [({ claims }) => claims.upsert(restored)]],
    ['by another strategy', [undefined, { strategy: 'snapshot' }]],
    ['that has its blank claim', [({ claims }) => claims.upsert(temporary())]],
    ['of a snapshot that is bound to nothing yet', [({ snapshots }) => snapshots.upsert(given())]],
  ])('is not asked for a clone %s', async (_name, args) => {
    expect(await found(...args)).toEqual({ driver: undefined, calls: 0 });
  });

  test.each<[string, VolumeSnapshotContent]>([
    ['is of another snapshot', { ...content, spec: { driver: 'd', volumeSnapshotRef: { uid: 'other' } } }],
    ['does not exist', { ...content, metadata: { name: 'other' } }],
  ])('is nothing when it %s', async (_name, object) => {
    expect(await found(undefined, { object })).toEqual({ driver: undefined, calls: 1 });
  });

  test('is nothing to who may not read it, and an error when nobody can tell', async () => {
    const stores = world();
    stores.snapshots.upsert(given({ boundVolumeSnapshotContentName: 'content-1' }));
    const failing = (code: number, reason: string) => ({
      stores,
      client: {
        get: async <T>(): Promise<Stored<T & VolumeSnapshotContent>> => {
          throw new ApiError('no', { code, reason });
        },
      },
    });
    const dataVolume = volume({ strategy: 'copy' });
    expect(await snapshotContent(failing(403, 'Forbidden') as never, dataVolume, stamp, signal)).toBeUndefined();
    await expect(snapshotContent(failing(500, 'InternalError') as never, dataVolume, stamp, signal)).rejects.toThrow(
      'no',
    );
  });
});
