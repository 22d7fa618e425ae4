import type { CloneFacts, SourceFacts, StorageFacts, TargetFacts } from '../../../shared/decision/facts.ts';

const gibibyte = 1n << 30n;

interface Changes {
  readonly source?: Partial<SourceFacts>;
  readonly target?: Partial<Omit<TargetFacts, 'storage'>>;
  readonly storage?: Partial<StorageFacts>;
  readonly sameStorageClass?: boolean;
  /** Facts that are taken away: `source.capacity`, `target.storage`, … */
  readonly without?: readonly string[];
}

/** Facts of a clone to which nothing stands in the way: one class, one driver that can do everything, 10 GiB on both sides. */
export function facts(changes: Changes = {}): CloneFacts {
  const built: CloneFacts = {
    source: {
      kind: 'PersistentVolumeClaim',
      namespace: 'golden',
      name: 'fedora',
      state: 'ready',
      contentType: 'kubevirt',
      requested: 10n * gibibyte,
      capacity: 10n * gibibyte,
      volumeMode: 'Filesystem',
      storageClass: 'fast',
      provisioner: 'csi.example.com',
      ...changes.source,
    },
    target: {
      namespace: 'tenant-a',
      contentType: 'kubevirt',
      volumeMode: 'Filesystem',
      requested: 10n * gibibyte,
      sizeField: 'spec.storage.resources.requests.storage',
      storageClassName: 'fast',
      ...changes.target,
      storage: {
        provisioner: 'csi.example.com',
        allowVolumeExpansion: true,
        csiDriver: true,
        preferred: { strategy: 'csi-clone', by: 'StorageProfile fast' },
        snapshotAPI: true,
        snapshotClass: 'fast-snapshots',
        ...changes.storage,
      },
    },
    policy: { sameStorageClass: changes.sameStorageClass ?? false },
  };
  return strip(built, changes.without ?? []);
}

function strip(built: CloneFacts, without: readonly string[]): CloneFacts {
  const keep = (path: string, part: object): object =>
    Object.fromEntries(
      Object.entries(part)
        .filter(([key]) => !without.includes(`${path}${key}`))
        .map(([key, value]: [string, unknown]) => [key, isPart(value) ? keep(`${path}${key}.`, value) : value]),
    );
  return keep('', built) as CloneFacts;
}

function isPart(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
