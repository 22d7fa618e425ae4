import { readFile, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CloneSource } from '../../../shared/api/datavolume.ts';
import { annotations, labels, type Strategy } from '../../../shared/api/names.ts';
import type { KubeObject, PersistentVolume, VolumeMode } from '../../../shared/api/objects.ts';
import { cameSince, until } from '../../support/cluster/index.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { type RunningController, startController } from '../../support/controller.ts';
import { type PaperNode, startPaperNode } from '../../support/paper-node.ts';
import { bytesOf, digestOf, fileSystemSize, fileSystemWith, mebibyte, overwrite, payloadIn } from './disk.ts';
import { controllerUser, Tenant } from './tenant.ts';

/**
 * Every kind of clone, all at once, on a real control plane with real snapshots and real clones: what is in the volume afterwards is what
 * was in the source, and nothing else has changed.
 */

interface Row {
  readonly name: string;
  readonly strategy: Strategy;
  readonly from: CloneSource['kind'];
  readonly elsewhere: boolean;
  readonly larger: boolean;
  readonly mode: VolumeMode;
  readonly late: boolean;
}

const ways = [
  { way: 'csi-clone', strategy: 'csi-clone', from: 'PersistentVolumeClaim' },
  { way: 'snapshot', strategy: 'snapshot', from: 'PersistentVolumeClaim' },
  { way: 'restore', strategy: 'snapshot', from: 'VolumeSnapshot' },
] as const;
const both = [false, true] as const;

const rows: readonly Row[] = ways.flatMap(({ way, strategy, from }) =>
  both.flatMap((elsewhere) =>
    both.flatMap((larger) =>
      (['Filesystem', 'Block'] as const).flatMap((mode) =>
        both.map((late) => {
          const words = [way, elsewhere ? 'other' : 'same', larger ? 'larger' : 'equal', mode, late ? 'late' : 'now'];
          return { name: words.join('-').toLowerCase(), strategy, from, elsewhere, larger, mode, late };
        }),
      ),
    ),
  ),
);

const sizes = { equal: 8 * mebibyte, larger: 16 * mebibyte } as const;
const quantity = (bytes: number): string => `${bytes / mebibyte}Mi`;
const payload = bytesOf('payload', mebibyte);

const cluster = sharedCluster();
const start = Date.now();
let controller: RunningController;
let node: PaperNode;
let golden: Tenant;
let tenant: Tenant;
/** What the sources hold. */
const contents = new Map<VolumeMode, Buffer>();

const isOurs = (namespace: string | undefined): boolean =>
  namespace === golden.namespace || namespace === tenant.namespace;

const sourceName = (mode: VolumeMode): string => mode.toLowerCase();
async function makeSource(mode: VolumeMode): Promise<void> {
  const name = sourceName(mode);
  const bytes = mode === 'Block' ? bytesOf('block', sizes.equal) : await fileSystemWith(payload, sizes.equal);
  contents.set(mode, bytes);
  await golden.createClaim(name, { volumeMode: mode, resources: { requests: { storage: quantity(sizes.equal) } } });
  await overwrite(await golden.fileOf(name), bytes);
  await golden.snapshot(name);
}

const placeOf = ({ elsewhere }: Row): Tenant => (elsewhere ? tenant : golden);

async function begin(row: Row): Promise<void> {
  const place = placeOf(row);
  const storage = quantity(row.larger ? sizes.larger : sizes.equal);
  await place.clone(row.name, {
    source: { kind: row.from, namespace: golden.namespace, name: sourceName(row.mode) },
    strategy: row.strategy,
    claim: {
      storageClassName: row.late ? 'reflink-wffc' : 'reflink',
      volumeMode: row.mode,
      resources: { requests: { storage } },
    },
  });
  if (row.late) await place.createPod(row.name, row.name, row.mode);
}

beforeAll(async () => {
  controller = await startController(cluster, { args: ['--workers=8'] });
  golden = await Tenant.create(cluster, controller.keys, 'golden');
  tenant = await Tenant.create(cluster, controller.keys, 'tenant');
  node = await startPaperNode(cluster, isOurs);
  await Promise.all([makeSource('Filesystem'), makeSource('Block')]);
  await Promise.all(rows.map(begin));
});
afterAll(async () => {
  await node?.stop();
  await controller?.process.kill('SIGTERM');
  await cluster.close();
});

/** Milliseconds. Another clone's turn may be first; all of them together take minutes, not one of them. */
const patience = { timeout: 900_000 };

describe('a clone', () => {
  test.each(rows)('$name has the bytes and the size that were asked for', async (row) => {
    const place = placeOf(row);
    await place.reaches(row.name, 'Succeeded', undefined, patience);

    const { spec, status } = await place.claim(row.name);
    const size = row.larger ? sizes.larger : sizes.equal;
    expect(status).toMatchObject({ phase: 'Bound', capacity: { storage: quantity(size) } });
    expect(spec).toMatchObject({ volumeMode: row.mode, accessModes: ['ReadWriteOnce'] });
    const file = await place.fileOf(row.name);
    expect((await stat(file)).size).toBe(size);
    if (row.larger && row.mode === 'Filesystem') {
      expect(await fileSystemSize(file)).toBe(size);
      expect(digestOf(await payloadIn(file))).toBe(digestOf(payload));
    } else {
      const [bytes, source] = [await readFile(file), contents.get(row.mode) ?? Buffer.alloc(0)];
      expect(digestOf(bytes.subarray(0, sizes.equal))).toBe(digestOf(source));
      expect(bytes.subarray(sizes.equal).every((byte) => byte === 0)).toBe(true);
    }
  });
});

interface Placed extends KubeObject {
  readonly spec?: {
    readonly claimRef?: { readonly namespace?: string };
    readonly volumeSnapshotRef?: { readonly namespace?: string };
  };
}

/** Of the object itself, or of what it belongs to. */
const namespaceOf = ({ metadata, spec }: Placed): string | undefined =>
  metadata.namespace ?? spec?.claimRef?.namespace ?? spec?.volumeSnapshotRef?.namespace;

describe('afterwards', () => {
  test.each(['Filesystem', 'Block'] as const)('the %s source is as it was', async (mode) => {
    const file = await golden.fileOf(sourceName(mode));

    expect(digestOf(await readFile(file))).toBe(digestOf(contents.get(mode) ?? Buffer.alloc(0)));
  });

  test('nothing of ours is left but the targets, and every volume is as its class wants it', async () => {
    const marked = `labelSelector=${encodeURIComponent(labels.ownerUid)}`;
    const list = async <T extends Placed>(path: string): Promise<readonly T[]> =>
      (await cluster.api.get<{ items: readonly T[] }>(path)).items.filter((object) => isOurs(namespaceOf(object)));
    const left = await until('what is being deleted to be gone', async () => {
      const [claims, pods, snapshots, volumes] = await Promise.all([
        list(`/api/v1/persistentvolumeclaims?${marked}`),
        list(`/api/v1/pods?${marked}`),
        list(`/apis/snapshot.storage.k8s.io/v1/volumesnapshots?${marked}`),
        list(`/api/v1/persistentvolumes?${marked}`),
      ]);
      const rest = claims.filter(({ metadata: { name = '' } }) => !rows.some((row) => row.name === name));
      const all = [...rest, ...pods, ...snapshots, ...volumes].map(({ metadata }) => metadata.name ?? '');
      return all.length === 0 && all;
    });
    expect(left).toEqual([]);

    const volumes = await list<PersistentVolume>('/api/v1/persistentvolumes');
    expect(volumes).toHaveLength(rows.length + 2);
    for (const { metadata, spec } of volumes) {
      expect(spec?.persistentVolumeReclaimPolicy).toBe('Delete');
      expect(metadata.annotations).not.toHaveProperty(annotations.reclaimPolicy);
    }
    const contentsLeft = await until('snapshots to be gone from the storage', async () => {
      const found = await list('/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents');
      return found.length === 2 && found;
    });
    expect(contentsLeft).toHaveLength(2);
  });

  test('no DataVolume is held any more', async () => {
    const volumes = await until('the finalizers to be gone', async () => {
      const found = await Promise.all(rows.map(async (row) => placeOf(row).volume(row.name)));
      return found.every(({ metadata }) => metadata.finalizers === undefined) && found;
    });

    expect(volumes).toHaveLength(rows.length);
  });

  test('only file systems had to be mounted to grow', () => {
    expect(node.grown, `what went wrong on the node last: ${String(node.lastError)}`).toBe(
      rows.filter(({ larger, mode }) => larger && mode === 'Filesystem').length,
    );
  });

  test('the controller was refused nothing', async () => {
    const events = (await cluster.auditEvents())
      .filter(cameSince(start))
      .filter(({ user }) => user.username === controllerUser);

    expect(events.length).toBeGreaterThan(0);
    expect(events.filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([]);
  });
});
