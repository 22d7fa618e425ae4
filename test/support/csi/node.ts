import { link, mkdir, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { status } from '@grpc/grpc-js';
import type { Clock } from '../../../shared/process/clock.ts';
import { CsiError, isErrno, required } from './errors.ts';
import { type Features, segmentsOf } from './features.ts';
import { isId } from './layout.ts';
import { createLocks } from './locks.ts';
import { attachLoop, detachLoop, loopOf, refreshLoop } from './loops.ts';
import type { Media } from './medium.ts';
import type {
  NodeExpandVolumeRequest,
  NodePublishVolumeRequest,
  NodeStageVolumeRequest,
  NodeUnpublishVolumeRequest,
  NodeVolumePathRequest,
} from './messages.ts';
import { bind, fileSystemFor, growMounted, mountDevice, unbind, unmount } from './mounts.ts';
import { isMounted } from './mounttable.ts';
import type { Pool } from './pool.ts';
import type { Publications } from './publications.ts';
import type { Service } from './server.ts';

const CAPABILITIES = ['STAGE_UNSTAGE_VOLUME', 'GET_VOLUME_STATS', 'EXPAND_VOLUME', 'SINGLE_NODE_MULTI_WRITER'] as const;
const SINGLE_WRITER = 'SINGLE_NODE_SINGLE_WRITER';

/** What this node works with. */
export interface NodeParts {
  readonly pool: Pool;
  readonly publications: Publications;
  readonly features: Features;
  readonly clock: Clock;
  /** The name by which this node makes a device of a volume. */
  readonly deviceFile: (id: string) => string;
  readonly media: Media;
}

/**
 * csi.v1.Node: a staged volume is a loop device on its backing file, with its file system mounted for a mount volume;
 * a published one is a bind mount of either. Needs root.
 */
export function nodeService(parts: NodeParts): Service {
  const { publications, features } = parts;
  const locks = createLocks();
  const one = <R extends { readonly volumeId: string }>(work: (request: R) => Promise<object>) => {
    return (request: R) => locks.run([required(request.volumeId, 'volume_id')], () => work(request));
  };
  return {
    NodeGetInfo: async () => ({
      nodeId: features.node,
      ...(features.topology ? { accessibleTopology: { segments: segmentsOf(features) } } : {}),
    }),
    NodeGetCapabilities: async () => ({
      capabilities: CAPABILITIES.filter(
        (name) => name !== 'EXPAND_VOLUME' || !features.without.has('EXPAND_VOLUME'),
      ).map((type) => ({ rpc: { type } })),
    }),
    NodeStageVolume: one((request: NodeStageVolumeRequest) => stage(parts, request)),
    NodeUnstageVolume: one(async ({ volumeId, stagingTargetPath }: NodeStageVolumeRequest) => {
      await unmount(required(stagingTargetPath, 'staging_target_path'));
      if (isId(volumeId)) await letGo(parts, parts.deviceFile(volumeId));
      return {};
    }),
    NodePublishVolume: one((request: NodePublishVolumeRequest) => publish(parts, request)),
    NodeUnpublishVolume: one(async ({ volumeId, targetPath }: NodeUnpublishVolumeRequest) => {
      await unbind(required(targetPath, 'target_path'));
      await publications.remove(volumeId, targetPath);
      return {};
    }),
    NodeExpandVolume: one((request: NodeExpandVolumeRequest) => expand(parts, request)),
    NodeGetVolumeStats: one((request: NodeVolumePathRequest) => stats(parts, request)),
  };
}

async function stage(parts: NodeParts, request: NodeStageVolumeRequest): Promise<object> {
  const staging = required(request.stagingTargetPath, 'staging_target_path');
  const capability = required(request.volumeCapability, 'volume_capability');
  const { id } = await parts.pool.volume(request.volumeId);
  const mounted = await isMounted(staging);
  if (mounted && !capability.mount) {
    throw new CsiError(status.ALREADY_EXISTS, `volume ${id} is staged at ${staging} as a file system`);
  }
  const device = await takeHold(parts, id);
  if (!capability.mount || mounted) return {};
  await mountDevice(device, staging, fileSystemFor(capability.mount.fsType), capability.mount.mountFlags);
  return {};
}

/** @returns the device of a volume. */
async function takeHold({ pool, media, deviceFile, clock }: NodeParts, id: string): Promise<string> {
  const file = deviceFile(id);
  if ((await loopOf(file)) === undefined) {
    // What a driver left that was killed in the middle.
    await media.lift(file);
    await rm(file, { force: true });
    await mkdir(dirname(file), { recursive: true });
    await link(pool.volumeFile(id), file);
    await media.lay(file);
  }
  const device = await attachLoop(file, clock);
  await refreshLoop(file);
  return device;
}

async function letGo({ clock, media }: NodeParts, file: string): Promise<void> {
  await detachLoop(file, clock);
  await media.lift(file);
  await rm(file, { force: true });
}

async function publish(
  { pool, publications, deviceFile }: NodeParts,
  request: NodePublishVolumeRequest,
): Promise<object> {
  const target = required(request.targetPath, 'target_path');
  const capability = required(request.volumeCapability, 'volume_capability');
  const { id } = await pool.volume(request.volumeId);
  const mode = capability.accessMode?.mode ?? 'UNKNOWN';
  await refuseSecondWriter(publications, id, target, mode);
  const device = await loopOf(deviceFile(id));
  const staging = required(request.stagingTargetPath, 'staging_target_path');
  if (device === undefined || (capability.mount && !(await isMounted(staging)))) {
    throw new CsiError(status.FAILED_PRECONDITION, `volume ${id} is not staged at ${staging}`);
  }
  // Recorded after the mount: the record counts only while the target is mounted, and a repeated call records again.
  // A read-only block volume is kept read-only by the kubelet's device rules; a read-only bind mount does not do it.
  if (capability.mount) await bind(staging, target, 'folder', request.readonly);
  else await bind(device, target, 'file', request.readonly);
  await publications.add(id, target, mode);
  return {};
}

/** @throws CsiError FAILED_PRECONDITION when one of the publications, old or new, wants to be the only one. */
async function refuseSecondWriter(publications: Publications, id: string, target: string, mode: string): Promise<void> {
  const others = [...(await publications.of(id))].filter(([other]) => other !== target);
  const single = others.find(([, other]) => mode === SINGLE_WRITER || other === SINGLE_WRITER);
  if (single === undefined) return;
  throw new CsiError(
    status.FAILED_PRECONDITION,
    `volume ${id} is published at ${single[0]} with ${single[1]} and cannot be published at ${target} with ${mode} too`,
  );
}

async function expand(parts: NodeParts, request: NodeExpandVolumeRequest): Promise<object> {
  if (parts.features.without.has('EXPAND_VOLUME')) {
    throw new CsiError(status.UNIMPLEMENTED, 'this driver was started without EXPAND_VOLUME');
  }
  const { isFolder, capacityBytes, device } = await published(parts, request);
  await refreshLoop(parts.deviceFile(request.volumeId));
  if (isFolder) await growMounted(device, request.volumePath);
  return { capacityBytes: String(capacityBytes) };
}

async function stats(parts: NodeParts, request: NodeVolumePathRequest): Promise<object> {
  const { isFolder, capacityBytes } = await published(parts, request);
  if (!isFolder) return { usage: [{ unit: 'BYTES', total: String(capacityBytes) }] };
  const { blocks, bavail, bfree, bsize, files, ffree } = await statfs(request.volumePath);
  return {
    usage: [
      usage('BYTES', blocks * bsize, bavail * bsize, (blocks - bfree) * bsize),
      usage('INODES', files, ffree, files - ffree),
    ],
  };
}

interface PublishedVolume {
  readonly isFolder: boolean;
  readonly capacityBytes: number;
  readonly device: string;
}

/** @throws CsiError NOT_FOUND when there is no such volume, it is not staged, or nothing of it is at the path. */
async function published({ pool, deviceFile }: NodeParts, request: NodeVolumePathRequest): Promise<PublishedVolume> {
  const path = required(request.volumePath, 'volume_path');
  const { id, capacityBytes } = await pool.volume(request.volumeId);
  const device = await loopOf(deviceFile(id));
  if (device === undefined || !(await isMounted(path))) {
    // A block volume has nothing mounted where it is staged, yet kubelets may ask for it by that path.
    const isStaged = device !== undefined && (await isThere(path));
    if (!isStaged) throw new CsiError(status.NOT_FOUND, `volume ${id} is not at ${path}`);
    return { isFolder: false, capacityBytes, device };
  }
  return { isFolder: (await stat(path)).isDirectory(), capacityBytes, device };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

function usage(unit: string, total: number, available: number, used: number): object {
  return { unit, total: String(total), available: String(available), used: String(used) };
}
