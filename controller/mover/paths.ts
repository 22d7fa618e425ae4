import { join } from 'node:path';
import { copyKeys, copyPaths, copySockets, diskImage, terminationLog } from '../../shared/api/copy.ts';
import type { Order, VolumeMode } from './arguments.ts';

/** Where things are for one copy. */
export interface Paths {
  /** The folder or the device. */
  readonly source: string;
  readonly destination: string;
  /** Folder with the key of two pods. */
  readonly keys: string;
  /** Folder for sockets, in the export pod of a disk image. */
  readonly sockets: string;
  readonly terminationLog: string;
}

/** @param root stands before all paths; empty in a pod. */
export function pathsOf({ sourceMode, destinationMode }: Order, root: string): Paths {
  return {
    source: join(root, copyPaths.source[sourceMode]),
    destination: join(root, copyPaths.destination[destinationMode]),
    keys: join(root, copyKeys.folder),
    sockets: join(root, copySockets),
    terminationLog: terminationLogAt(root),
  };
}

export function terminationLogAt(root: string): string {
  return join(root, terminationLog);
}

/** Of the disk image in a volume: the device itself, or the file in the folder. */
export function imagePath(volume: string, mode: VolumeMode): string {
  return mode === 'Block' ? volume : join(volume, diskImage);
}
