/**
 * The part of csi.proto that the driver reads and writes, as proto-loader delivers it: lowerCamelCase names, 64-bit
 * numbers as decimal strings, enums as their names, absent messages as null, absent strings as ''.
 */

export type VolumeContentSource =
  | { readonly snapshot: { readonly snapshotId: string } }
  | { readonly volume: { readonly volumeId: string } };

export interface CapacityRange {
  /** Bytes; '0' means that no lower bound was given. */
  readonly requiredBytes: string;
  /** Bytes; '0' means that no upper bound was given. */
  readonly limitBytes: string;
}

export interface VolumeCapability {
  readonly block?: object | null;
  readonly mount?: { readonly fsType: string; readonly mountFlags: readonly string[] } | null;
  readonly accessMode: { readonly mode: string } | null;
}

export interface Topology {
  readonly segments: Readonly<Record<string, string>>;
}

export interface CreateVolumeRequest {
  readonly name: string;
  readonly capacityRange: CapacityRange | null;
  readonly volumeCapabilities: readonly VolumeCapability[];
  readonly volumeContentSource: VolumeContentSource | null;
  readonly accessibilityRequirements: { readonly requisite: readonly Topology[] } | null;
}

export interface VolumeRequest {
  readonly volumeId: string;
}

export interface ValidateVolumeCapabilitiesRequest extends VolumeRequest {
  readonly volumeCapabilities: readonly VolumeCapability[];
}

export interface CreateSnapshotRequest {
  readonly name: string;
  readonly sourceVolumeId: string;
}

export interface DeleteSnapshotRequest {
  readonly snapshotId: string;
}

export interface ListSnapshotsRequest {
  readonly snapshotId: string;
  readonly sourceVolumeId: string;
  readonly startingToken: string;
  /** 0 means that the driver may answer with all. */
  readonly maxEntries: number;
}

export interface ControllerExpandVolumeRequest extends VolumeRequest {
  readonly capacityRange: CapacityRange | null;
  readonly volumeCapability: VolumeCapability | null;
}

export interface NodeStageVolumeRequest extends VolumeRequest {
  readonly stagingTargetPath: string;
  readonly volumeCapability: VolumeCapability | null;
}

export interface NodePublishVolumeRequest extends NodeStageVolumeRequest {
  readonly targetPath: string;
  readonly readonly: boolean;
}

export interface NodeUnpublishVolumeRequest extends VolumeRequest {
  readonly targetPath: string;
}

export interface NodeVolumePathRequest extends VolumeRequest {
  readonly volumePath: string;
}

export interface NodeExpandVolumeRequest extends NodeVolumePathRequest {
  readonly volumeCapability: VolumeCapability | null;
}
