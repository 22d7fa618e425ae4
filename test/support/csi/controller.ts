import { status } from '@grpc/grpc-js';
import { CsiError, required } from './errors.ts';
import { type Features, isRemovable, segmentsOf } from './features.ts';
import { listSnapshots, snapshotMessage } from './listing.ts';
import { refreshLoops } from './loops.ts';
import type {
  ControllerExpandVolumeRequest,
  CreateSnapshotRequest,
  CreateVolumeRequest,
  DeleteSnapshotRequest,
  ListSnapshotsRequest,
  ValidateVolumeCapabilitiesRequest,
  VolumeCapability,
  VolumeContentSource,
  VolumeRequest,
} from './messages.ts';
import { fileSystemFor } from './mounts.ts';
import type { Pool, Volume } from './pool.ts';
import type { Service } from './server.ts';

const CAPABILITIES = [
  'CREATE_DELETE_VOLUME',
  'CLONE_VOLUME',
  'CREATE_DELETE_SNAPSHOT',
  'LIST_SNAPSHOTS',
  'EXPAND_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
] as const;

/** csi.v1.Controller: making, cloning, growing and removing volumes and snapshots. */
export function controllerService(pool: Pool, features: Features): Service {
  return {
    ControllerGetCapabilities: async () => ({
      capabilities: CAPABILITIES.filter((name) => offers(features, name)).map((type) => ({ rpc: { type } })),
    }),
    CreateVolume: (request: CreateVolumeRequest) => createVolume(pool, features, request),
    DeleteVolume: async ({ volumeId }: VolumeRequest) => {
      await pool.deleteVolume(required(volumeId, 'volume_id'));
      return {};
    },
    ValidateVolumeCapabilities: async ({ volumeId, volumeCapabilities }: ValidateVolumeCapabilitiesRequest) => {
      await pool.volume(required(volumeId, 'volume_id'));
      checkCapabilities(volumeCapabilities);
      return { confirmed: { volumeCapabilities } };
    },
    ControllerExpandVolume: (request: ControllerExpandVolumeRequest) => expandVolume(pool, features, request),
    ...snapshotCalls(pool, features),
  };
}

function snapshotCalls(pool: Pool, features: Features): Service {
  const check = () => mustOffer(features, 'CREATE_DELETE_SNAPSHOT', status.UNIMPLEMENTED);
  return {
    CreateSnapshot: async ({ name, sourceVolumeId }: CreateSnapshotRequest) => {
      check();
      const source = required(sourceVolumeId, 'source_volume_id');
      return { snapshot: snapshotMessage(await pool.createSnapshot(required(name, 'name'), source)) };
    },
    DeleteSnapshot: async ({ snapshotId }: DeleteSnapshotRequest) => {
      check();
      await pool.deleteSnapshot(required(snapshotId, 'snapshot_id'));
      return {};
    },
    ListSnapshots: async (request: ListSnapshotsRequest) => {
      check();
      return listSnapshots(await pool.snapshots(), request);
    },
  };
}

async function createVolume(pool: Pool, features: Features, request: CreateVolumeRequest): Promise<object> {
  const name = required(request.name, 'name');
  checkCapabilities(request.volumeCapabilities);
  checkTopology(features, request);
  const source = contentSource(request.volumeContentSource);
  // The code that the specification has for a source of a kind that the driver does not know.
  if (source !== null) mustOffer(features, featureOf(source), status.INVALID_ARGUMENT);
  const volume = await pool.createVolume(name, request.capacityRange, source);
  return { volume: volumeMessage(volume, features) };
}

/**
 * Growing a block volume is finished here, as the node and the controller are one program on one machine: the file is
 * longer, and a loop device on it follows. So a claim grows to its end also where no kubelet runs. A file system has
 * to be told by the node, which alone knows where it is mounted.
 */
async function expandVolume(pool: Pool, features: Features, request: ControllerExpandVolumeRequest): Promise<object> {
  mustOffer(features, 'EXPAND_VOLUME', status.UNIMPLEMENTED);
  const volumeId = required(request.volumeId, 'volume_id');
  const volume = await pool.growVolume(volumeId, required(request.capacityRange, 'capacity_range'));
  await refreshLoops(pool.volumeFile(volumeId));
  const isBlock = hasBlock(request.volumeCapability);
  return { capacityBytes: String(volume.capacityBytes), nodeExpansionRequired: !isBlock };
}

function volumeMessage(volume: Volume, features: Features): object {
  return {
    volumeId: volume.id,
    capacityBytes: String(volume.capacityBytes),
    ...(volume.source === null ? {} : { contentSource: volume.source }),
    accessibleTopology: features.topology ? [{ segments: segmentsOf(features) }] : [],
  };
}

/** Any access mode will do: all nodes of a test cluster are this machine, and a staged volume can be bound anywhere. */
function checkCapabilities(capabilities: readonly VolumeCapability[]): void {
  if (capabilities.length === 0) throw new CsiError(status.INVALID_ARGUMENT, 'volume_capabilities is empty');
  for (const capability of capabilities) {
    if (capability.mount) fileSystemFor(capability.mount.fsType);
    else if (!hasBlock(capability)) {
      throw new CsiError(status.INVALID_ARGUMENT, 'a volume capability is neither block nor mount');
    }
  }
}

function checkTopology(features: Features, { accessibilityRequirements }: CreateVolumeRequest): void {
  const requisite = accessibilityRequirements?.requisite ?? [];
  if (!features.topology || requisite.length === 0) return;
  const ours = Object.entries(segmentsOf(features));
  if (requisite.some(({ segments }) => ours.every(([key, value]) => segments[key] === value))) return;
  throw new CsiError(status.RESOURCE_EXHAUSTED, `volumes can be made on node ${features.node} only`);
}

/** Only what the source is: the message as it was received carries the name of the oneof's member besides. */
function contentSource(received: VolumeContentSource | null): VolumeContentSource | null {
  if (received === null) return null;
  if ('volume' in received) return { volume: { volumeId: required(received.volume.volumeId, 'volume_id') } };
  if ('snapshot' in received) {
    return { snapshot: { snapshotId: required(received.snapshot.snapshotId, 'snapshot_id') } };
  }
  throw new CsiError(status.INVALID_ARGUMENT, 'volume_content_source is neither a volume nor a snapshot');
}

function featureOf(source: VolumeContentSource): string {
  return 'volume' in source ? 'CLONE_VOLUME' : 'CREATE_DELETE_SNAPSHOT';
}

function hasBlock(capability: VolumeCapability | null): boolean {
  return capability?.block !== undefined && capability.block !== null;
}

function offers(features: Features, name: string): boolean {
  // Listing snapshots without making any would offer an empty list for ever.
  const capability = name === 'LIST_SNAPSHOTS' ? 'CREATE_DELETE_SNAPSHOT' : name;
  return !isRemovable(capability) || !features.without.has(capability);
}

function mustOffer(features: Features, name: string, code: status): void {
  if (!offers(features, name)) throw new CsiError(code, `this driver was started without ${name}`);
}
