import { isStrategy, type Strategy } from '../../../shared/api/names.ts';
import type { CloneFacts, StorageFacts } from '../../../shared/decision/facts.ts';
import { facts } from '../../support/build/facts.ts';

type Changes = NonNullable<Parameters<typeof facts>[0]>;

const GiB = 1n << 30n;

/** What an administrator would say of a clone, and the facts it stands for. */
const words: Readonly<Record<string, Changes>> = {
  'source is a snapshot': {
    source: { kind: 'VolumeSnapshot' },
    without: ['source.requested', 'source.volumeMode', 'source.storageClass'],
  },
  'source missing': { source: { state: 'missing' } },
  'source vetoed': { source: { veto: { by: 'namespace golden', field: 'spec.source.pvc' } } },
  'source not bound': { source: { state: 'unbound' } },
  'source Block': { source: { volumeMode: 'Block' } },
  'source archive': { source: { contentType: 'archive' } },
  'source rounded up by its driver': { source: { capacity: 12n * GiB } },
  'source never expanded': { source: { requested: 20n * GiB } },
  'target Block': { target: { volumeMode: 'Block' } },
  'target archive': { target: { contentType: 'archive' } },
  'target larger': { target: { requested: 20n * GiB } },
  'target smaller': { target: { requested: 9n * GiB } },
  'storage makes 10Gi at least': { target: { smallest: 10n * GiB } },
  'target without size': { without: ['target.requested'] },
  'other class': { source: { storageClass: 'slow' } },
  'other driver': { source: { storageClass: 'slow', provisioner: 'other.example.com' } },
  'unknown driver': { without: ['source.provisioner'] },
  'no default class': { without: ['target.storageClassName', 'target.storage'] },
  'class missing': { without: ['target.storage'] },
  'no expansion': { storage: { allowVolumeExpansion: false } },
  'no CSIDriver': { storage: { csiDriver: false } },
  'no snapshot API': { storage: { snapshotAPI: false }, without: ['target.storage.snapshotClass'] },
  'no snapshot class': { without: ['target.storage.snapshotClass'] },
  'one class only': { sameStorageClass: true },
};

/** Reads `prefers csi-clone, target larger, no expansion`. @throws Error at a word that is not in the list. */
export function situation(text: string): CloneFacts {
  return facts(text.split(', ').map(changesOf).reduce(merge, {}));
}

function changesOf(word: string): Changes {
  const [verb, ...rest] = word.split(' ');
  const strategy = rest.join(' ');
  if (verb === 'prefers') return { storage: { preferred: { strategy: named(strategy), by: 'StorageProfile fast' } } };
  if (verb === 'wants') return { target: { wanted: named(strategy) } };
  if (verb === 'allows') return { storage: allows(strategy) };
  const known = words[word];
  if (known === undefined) throw new Error(`no such words: ${word}`);
  return known;
}

function allows(list: string): Partial<StorageFacts> {
  return { allowed: list === 'nothing' ? [] : list.split(' and ').map(named) };
}

function named(text: string): Strategy {
  if (!isStrategy(text)) throw new Error(`no such strategy: ${text}`);
  return text;
}

function merge(a: Changes, b: Changes): Changes {
  return {
    source: { ...a.source, ...b.source },
    target: { ...a.target, ...b.target },
    storage: { ...a.storage, ...b.storage },
    sameStorageClass: b.sameStorageClass ?? a.sameStorageClass ?? false,
    without: [...(a.without ?? []), ...(b.without ?? [])],
  };
}
