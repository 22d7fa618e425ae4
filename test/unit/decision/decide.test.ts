import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { strategies } from '../../../shared/api/names.ts';
import { decide } from '../../../shared/decision/decide.ts';
import { type CloneFacts } from '../../../shared/decision/facts.ts';
import { facts } from '../../support/build/facts.ts';

const GiB = 1n << 30n;
const prefers = (strategy: (typeof strategies)[number]) => ({ preferred: { strategy, by: 'StorageProfile fast' } });

/** `csi-clone ✓Preferred · snapshot NotPreferred · copy NotPreferred`, `deferred SourceNotFound`, `refused TargetTooSmall at spec.…` */
function said(given: CloneFacts): string {
  const decision = decide(given);
  switch (decision.outcome) {
    case 'chosen':
      return decision.candidates
        .map(({ strategy, reason }) => `${strategy} ${strategy === decision.strategy ? '✓' : ''}${reason}`)
        .join(' · ');
    case 'deferred':
      return `deferred ${decision.reason}`;
    case 'refused':
      return `refused ${decision.reason} at ${decision.field}`;
  }
}

const size = 'spec.storage.resources.requests.storage';
const all = 'csi-clone ✓Preferred · snapshot NotPreferred · copy NotPreferred';
const onlyCopy = (reason: string): string => `csi-clone ${reason} · snapshot ${reason} · copy ✓BestPossible`;

/** What is told: the situation, the facts, what is decided. */
const table: readonly (readonly [string, CloneFacts, string])[] = [
  ['the storage prefers csi-clone and can do all', facts(), all],
  [
    'the storage prefers snapshot',
    facts({ storage: prefers('snapshot') }),
    'snapshot ✓Preferred · csi-clone StrategyNotEnabled · copy NotPreferred',
  ],
  [
    'the storage prefers copy',
    facts({ storage: prefers('copy') }),
    'copy ✓Preferred · csi-clone StrategyNotEnabled · snapshot NotPreferred',
  ],
  ['no CSIDriver object', facts({ storage: { csiDriver: false } }), onlyCopy('NoCSIDriver')],
  [
    'another driver behind the target',
    facts({ storage: { provisioner: 'other' } }),
    onlyCopy('IncompatibleProvisioners'),
  ],
  ['a source of unknown driver', facts({ without: ['source.provisioner'] }), onlyCopy('IncompatibleProvisioners')],
  ['another class of the same driver', facts({ source: { storageClass: 'slow' } }), all],
  [
    'another class, and the administrator wants the same',
    facts({ source: { storageClass: 'slow' }, sameStorageClass: true }),
    onlyCopy('DifferentStorageClass'),
  ],
  ['the same class where the administrator wants it', facts({ sameStorageClass: true }), all],
  ['Block from Filesystem', facts({ target: { volumeMode: 'Block' } }), onlyCopy('IncompatibleVolumeModes')],
  [
    'Filesystem from Block, with room for the overhead',
    facts({ source: { volumeMode: 'Block' }, target: { requested: 11n * GiB } }),
    onlyCopy('IncompatibleVolumeModes'),
  ],
  [
    'Filesystem from Block without that room',
    facts({ source: { volumeMode: 'Block' } }),
    `refused TargetTooSmall at ${size}`,
  ],
  ['a larger target, expandable', facts({ target: { requested: 20n * GiB } }), all],
  [
    'a larger target, not expandable',
    facts({ target: { requested: 20n * GiB }, storage: { allowVolumeExpansion: false } }),
    onlyCopy('NoVolumeExpansion'),
  ],
  ['an equal target, not expandable', facts({ storage: { allowVolumeExpansion: false } }), all],
  ['a target without a size', facts({ without: ['target.requested'] }), all],
  [
    'a target one byte too small',
    facts({ target: { requested: 10n * GiB - 1n } }),
    `refused TargetTooSmall at ${size}`,
  ],
  [
    'a volume that the driver rounded up',
    facts({ source: { capacity: 12n * GiB }, target: { requested: 10n * GiB } }),
    all,
  ],
  [
    'a source whose expansion never came',
    facts({ source: { requested: 20n * GiB, capacity: 10n * GiB }, target: { requested: 10n * GiB } }),
    all,
  ],
  [
    'no snapshot API, snapshot preferred',
    facts({ storage: { ...prefers('snapshot'), snapshotAPI: false } }),
    'snapshot NoSnapshotAPI · csi-clone StrategyNotEnabled · copy ✓BestPossible',
  ],
  [
    'no VolumeSnapshotClass, snapshot preferred',
    facts({ storage: prefers('snapshot'), without: ['target.storage.snapshotClass'] }),
    'snapshot NoVolumeSnapshotClass · csi-clone StrategyNotEnabled · copy ✓BestPossible',
  ],
  [
    'no snapshot API, csi-clone preferred',
    facts({ storage: { snapshotAPI: false } }),
    all.replace('snapshot NotPreferred', 'snapshot NoSnapshotAPI'),
  ],
  [
    'archive content from a disk image',
    facts({ target: { contentType: 'archive' } }),
    'refused ContentTypeMismatch at spec.contentType',
  ],
  [
    'archive content on both sides',
    facts({ source: { contentType: 'archive' }, target: { contentType: 'archive' } }),
    all,
  ],
  ['no source yet', facts({ source: { state: 'missing' } }), 'deferred SourceNotFound'],
  [
    'no source yet, and a content that could not match',
    facts({ source: { state: 'missing' }, target: { contentType: 'archive' } }),
    'deferred SourceNotFound',
  ],
  ['a source without a volume', facts({ source: { state: 'unbound' } }), 'deferred SourceNotBound'],
  [
    'a source without a volume and too small a target',
    facts({ source: { state: 'unbound' }, target: { requested: GiB } }),
    `refused TargetTooSmall at ${size}`,
  ],
  [
    'no class named and none by default',
    facts({ without: ['target.storageClassName', 'target.storage'] }),
    'deferred DefaultStorageClassMissing',
  ],
  ['a class that does not exist', facts({ without: ['target.storage'] }), 'deferred StorageClassMissing'],
  [
    'a snapshot as the source',
    facts({
      source: { kind: 'VolumeSnapshot' },
      without: ['source.requested', 'source.volumeMode', 'source.storageClass'],
    }),
    'csi-clone SourceIsSnapshot · snapshot ✓BestPossible · copy NotPreferred',
  ],
  [
    'a snapshot of another driver',
    facts({ source: { kind: 'VolumeSnapshot', provisioner: 'other' }, storage: prefers('snapshot') }),
    'snapshot NoProvisionerMatch · csi-clone StrategyNotEnabled · copy ✓BestPossible',
  ],
  [
    'a snapshot needs no VolumeSnapshotClass to be restored',
    facts({
      source: { kind: 'VolumeSnapshot' },
      storage: prefers('snapshot'),
      without: ['target.storage.snapshotClass'],
    }),
    'snapshot ✓Preferred · csi-clone StrategyNotEnabled · copy NotPreferred',
  ],
  [
    'a snapshot where the administrator wants one class',
    facts({
      source: { kind: 'VolumeSnapshot' },
      storage: prefers('snapshot'),
      sameStorageClass: true,
      without: ['source.storageClass'],
    }),
    'snapshot ✓Preferred · csi-clone StrategyNotEnabled · copy NotPreferred',
  ],
];

describe('the decision table', () => {
  it.each(table)('%s', (_situation, given, expected) => {
    expect(said(given)).toBe(expected);
  });

  it('tells both sizes and the least that would do', () => {
    const decision = decide(facts({ target: { requested: GiB } }));
    expect(decision).toMatchObject({
      message: expect.stringMatching(/asks for 1Gi .* needs 10Gi .* at least 10Gi/) as string,
    });
  });
});

const anyFacts = fc
  .record({
    kind: fc.constantFrom('PersistentVolumeClaim' as const, 'VolumeSnapshot' as const),
    state: fc.constantFrom('missing' as const, 'unbound' as const, 'ready' as const),
    content: fc.constantFrom('kubevirt' as const, 'archive' as const),
    sizes: fc.tuple(
      fc.bigInt({ min: 0n, max: 4n * GiB }),
      fc.bigInt({ min: 0n, max: 4n * GiB }),
      fc.bigInt({ min: 0n, max: 4n * GiB }),
    ),
    modes: fc.tuple(
      fc.constantFrom('Block' as const, 'Filesystem' as const),
      fc.constantFrom('Block' as const, 'Filesystem' as const),
    ),
    classes: fc.tuple(fc.constantFrom('fast', 'slow'), fc.constantFrom('fast', 'slow')),
    drivers: fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom('a', 'b')),
    can: fc.record({ allowVolumeExpansion: fc.boolean(), csiDriver: fc.boolean(), snapshotAPI: fc.boolean() }),
    preferred: fc.constantFrom(...strategies),
    sameStorageClass: fc.boolean(),
    without: fc.subarray([
      'source.requested',
      'source.capacity',
      'source.volumeMode',
      'target.requested',
      'target.storage.snapshotClass',
      'target.storage',
      'target.storageClassName',
    ]),
  })
  .map((p) =>
    facts({
      source: {
        kind: p.kind,
        state: p.state,
        requested: p.sizes[0],
        capacity: p.sizes[1],
        volumeMode: p.modes[0],
        storageClass: p.classes[0],
        provisioner: p.drivers[0],
      },
      target: { contentType: p.content, requested: p.sizes[2], volumeMode: p.modes[1], storageClassName: p.classes[1] },
      storage: { ...p.can, provisioner: p.drivers[1], preferred: { strategy: p.preferred, by: 'x' } },
      sameStorageClass: p.sameStorageClass,
      without: p.without,
    }),
  );

describe('the decision, whatever the facts', () => {
  it('is total and always the same', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        expect(decide(given)).toEqual(decide(structuredClone(given)));
      }),
    );
  });

  it('gives every strategy a reason, and chooses only one that lacks nothing', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const decision = decide(given);
        if (decision.outcome !== 'chosen') return;
        expect(decision.candidates.map(({ strategy }) => strategy).toSorted()).toEqual([...strategies].toSorted());
        const won = decision.candidates.filter(({ reason }) => reason === 'Preferred' || reason === 'BestPossible');
        expect(won.map(({ strategy }) => strategy)).toEqual([decision.strategy]);
      }),
    );
  });

  it('never gets worse when the storage can do more', () => {
    const rank = (given: CloneFacts): number => {
      const decision = decide(given);
      return decision.outcome === 'chosen' ? inOrder(given).indexOf(decision.strategy) : -1;
    };
    fc.assert(
      fc.property(anyFacts, (given) => {
        const { storage } = given.target;
        if (storage === undefined) return;
        const better = {
          ...storage,
          csiDriver: true,
          snapshotAPI: true,
          allowVolumeExpansion: true,
          snapshotClass: 'x',
        };
        expect(rank({ ...given, target: { ...given.target, storage: better } })).toBeLessThanOrEqual(rank(given));
      }),
    );
  });
});

function inOrder({ target }: CloneFacts): readonly string[] {
  const preferred = target.storage?.preferred.strategy ?? 'copy';
  return [preferred, ...strategies.filter((strategy) => strategy !== preferred)];
}
