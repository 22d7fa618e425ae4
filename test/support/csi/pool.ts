import { truncate, writeFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import type { Clock } from '../../../shared/process/clock.ts';
import { CsiError } from './errors.ts';
import { idFor, isId, snapshotsFolder, volumesFolder } from './layout.ts';
import { createLocks } from './locks.ts';
import type { CapacityRange, VolumeContentSource } from './messages.ts';
import { openRecords, type Records } from './records.ts';
import { capacityFor, fits } from './sizes.ts';

export interface Volume {
  readonly id: string;
  readonly capacityBytes: number;
  readonly source: VolumeContentSource | null;
}

export interface Snapshot {
  readonly id: string;
  readonly sourceVolumeId: string;
  readonly sizeBytes: number;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
}

export interface PoolOptions {
  readonly clock: Clock;
  /** Makes a point-in-time copy of a backing file that may be in use. */
  readonly copy: (from: string, to: string) => Promise<void>;
  /** Whether a node still holds this backing file. */
  readonly inUse: (file: string) => Promise<boolean>;
}

/** Volumes and snapshots in a folder. Every operation may be repeated: the second time it finds its work done. */
export interface Pool {
  volumeFile(id: string): string;
  /** @throws CsiError NOT_FOUND */
  volume(id: string): Promise<Volume>;
  /** @throws CsiError ALREADY_EXISTS (same name, other wish), NOT_FOUND (source), OUT_OF_RANGE (size) */
  createVolume(name: string, range: CapacityRange | null, source: VolumeContentSource | null): Promise<Volume>;
  /** @throws CsiError FAILED_PRECONDITION while a node holds the volume */
  deleteVolume(id: string): Promise<void>;
  /** Grows a volume and never shrinks it. @throws CsiError NOT_FOUND, OUT_OF_RANGE */
  growVolume(id: string, range: CapacityRange | null): Promise<Volume>;
  /** @throws CsiError ALREADY_EXISTS (same name, other volume), NOT_FOUND (volume) */
  createSnapshot(name: string, sourceVolumeId: string): Promise<Snapshot>;
  deleteSnapshot(id: string): Promise<void>;
  /** All of them, ordered by id. */
  snapshots(): Promise<readonly Snapshot[]>;
}

export async function openPool(folder: string, options: PoolOptions): Promise<Pool> {
  const volumes = await openRecords<Volume>(volumesFolder(folder));
  const snapshots = await openRecords<Snapshot>(snapshotsFolder(folder));
  const locks = createLocks();
  const volume = (id: string) => find(volumes, id, 'volume');

  return {
    volumeFile: (id) => volumes.file(id),
    volume,
    createVolume: async (name, range, source) => {
      const id = idFor(name);
      return locks.run([id, ...sourceIds(source)], async () => {
        const existing = await volumes.get(id);
        if (existing !== undefined) return sameVolume(existing, range, source);
        const origin = await findOrigin(volumes, snapshots, source);
        const created: Volume = { id, capacityBytes: sizeOfNew(range, origin), source };
        await volumes.create(id, created, async (path) => {
          await (origin === undefined ? writeFile(path, '') : options.copy(origin.file, path));
          await truncate(path, created.capacityBytes);
        });
        return created;
      });
    },
    deleteVolume: async (id) => {
      if (!isId(id)) return;
      await locks.run([id], async () => {
        if (await options.inUse(volumes.file(id))) {
          throw new CsiError(status.FAILED_PRECONDITION, `volume ${id} is still staged on a node`);
        }
        await volumes.remove(id);
      });
    },
    growVolume: (id, range) =>
      locks.run([id], async () => {
        const before = await volume(id);
        const capacityBytes = capacityFor(range, before.capacityBytes);
        if (capacityBytes === before.capacityBytes) return before;
        // The file first: a volume that claims more than its file holds would be half a volume that looks whole.
        await truncate(volumes.file(id), capacityBytes);
        const grown = { ...before, capacityBytes };
        await volumes.update(id, grown);
        return grown;
      }),
    createSnapshot: (name, sourceVolumeId) => {
      const id = idFor(name);
      return locks.run([id, sourceVolumeId], async () => {
        const existing = await snapshots.get(id);
        if (existing !== undefined) return sameSnapshot(existing, sourceVolumeId);
        const { capacityBytes } = await volume(sourceVolumeId);
        const created = { id, sourceVolumeId, sizeBytes: capacityBytes, createdAt: options.clock.now() };
        await snapshots.create(id, created, (path) => options.copy(volumes.file(sourceVolumeId), path));
        return created;
      });
    },
    deleteSnapshot: async (id) => {
      if (isId(id)) await locks.run([id], () => snapshots.remove(id));
    },
    snapshots: () => snapshots.list(),
  };
}

async function find<T>(records: Records<T>, id: string, what: string): Promise<T> {
  const record = isId(id) ? await records.get(id) : undefined;
  if (record === undefined) throw new CsiError(status.NOT_FOUND, `there is no ${what} ${JSON.stringify(id)}`);
  return record;
}

interface Origin {
  readonly file: string;
  readonly bytes: number;
}

async function findOrigin(
  volumes: Records<Volume>,
  snapshots: Records<Snapshot>,
  source: VolumeContentSource | null,
): Promise<Origin | undefined> {
  if (source === null) return undefined;
  if ('volume' in source) {
    const { id, capacityBytes } = await find(volumes, source.volume.volumeId, 'volume');
    return { file: volumes.file(id), bytes: capacityBytes };
  }
  const { id, sizeBytes } = await find(snapshots, source.snapshot.snapshotId, 'snapshot');
  return { file: snapshots.file(id), bytes: sizeBytes };
}

function sourceIds(source: VolumeContentSource | null): readonly string[] {
  if (source === null) return [];
  return ['volume' in source ? source.volume.volumeId : source.snapshot.snapshotId];
}

/** A clone that is asked to be smaller than its source is refused, not enlarged: the caller's number is wrong. */
function sizeOfNew(range: CapacityRange | null, origin: Origin | undefined): number {
  const asked = BigInt(range?.requiredBytes ?? '0');
  if (origin !== undefined && asked > 0n && asked < BigInt(origin.bytes)) {
    throw new CsiError(status.OUT_OF_RANGE, `${asked} bytes cannot hold the source of ${origin.bytes} bytes`);
  }
  return capacityFor(range, origin?.bytes);
}

function sameVolume(existing: Volume, range: CapacityRange | null, source: VolumeContentSource | null): Volume {
  if (!fits(existing.capacityBytes, range)) {
    throw new CsiError(
      status.ALREADY_EXISTS,
      `volume ${existing.id} exists with ${existing.capacityBytes} bytes, which is not what is asked for`,
    );
  }
  if (sourceKey(existing.source) !== sourceKey(source)) {
    throw new CsiError(status.ALREADY_EXISTS, `volume ${existing.id} exists with another content source`);
  }
  return existing;
}

function sameSnapshot(existing: Snapshot, sourceVolumeId: string): Snapshot {
  if (existing.sourceVolumeId === sourceVolumeId) return existing;
  throw new CsiError(
    status.ALREADY_EXISTS,
    `snapshot ${existing.id} exists and is one of volume ${existing.sourceVolumeId}`,
  );
}

function sourceKey(source: VolumeContentSource | null): string {
  if (source === null) return '';
  return 'volume' in source ? `volume/${source.volume.volumeId}` : `snapshot/${source.snapshot.snapshotId}`;
}
