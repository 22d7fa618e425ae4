import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';

/** Where things lie in a pool; tests read and write the backing files directly when no node runs. */

export const volumesFolder = (pool: string): string => join(pool, 'volumes');
export const snapshotsFolder = (pool: string): string => join(pool, 'snapshots');
/** Each node knows its own mounts only. */
export const publicationsFolder = (pool: string, node: string): string => join(pool, 'publications', node);

/** The sparse file that holds the bytes of a volume; `handle` is the PersistentVolume's `spec.csi.volumeHandle`. */
export const volumeFile = (pool: string, handle: string): string => join(volumesFolder(pool), handle);

/**
 * The name under which a node makes a device of a volume's file: each node has one of its own, and so a device of its own, as it would have of
 * a storage in a network.
 */
export const deviceFile = (pool: string, node: string, handle: string): string =>
  join(devicesFolder(pool), node, handle);
const devicesFolder = (pool: string): string => join(pool, 'devices');

/** Whether a file is the name that some node has for the volume of this file. */
export function isDeviceFileOf(volume: string, path: string): boolean {
  const pool = dirname(dirname(volume));
  return dirname(dirname(path)) === devicesFolder(pool) && basename(path) === basename(volume);
}

/** The sparse file that holds the bytes of a snapshot; `id` is the VolumeSnapshotContent's `status.snapshotHandle`. */
export const snapshotFile = (pool: string, id: string): string => join(snapshotsFolder(pool), id);

// No dot: '<id>.json' and '<id>.partial' beside the backing file can then never be the file of another id.
const PLAIN_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;

/** Whether this can be the id of a volume or snapshot. Anything else in a request, `../x` say, names nothing we have. */
export function isId(text: string): boolean {
  return PLAIN_ID.test(text);
}

/** The id of what is created under `name`: the name itself when it can be a file name, else a digest of it. */
export function idFor(name: string): string {
  return isId(name) ? name : `name-${createHash('sha256').update(name).digest('hex')}`;
}
