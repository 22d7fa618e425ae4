import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { strategies } from '../../../shared/api/names.ts';
import { decide } from '../../../shared/decision/decide.ts';
import type { CloneFacts } from '../../../shared/decision/facts.ts';
import { facts } from '../../support/build/facts.ts';
import { situation } from './situation.ts';

const GiB = 1n << 30n;

/** `csi-clone* Preferred, snapshot NotPreferred, …`, `deferred SourceNotFound` or `refused TargetTooSmall`, as table.txt has it. */
function said(given: CloneFacts): string {
  const decision = decide(given);
  if (decision.outcome !== 'chosen') return `${decision.outcome} ${decision.reason}`;
  return decision.candidates
    .map(({ strategy, reason }) => `${strategy}${strategy === decision.strategy ? '*' : ''} ${reason}`)
    .join(', ');
}

const table = readFileSync(join(import.meta.dirname, 'table.txt'), 'utf8')
  .split('\n')
  .filter((line) => line.includes(' => '))
  .map((line) => line.split('=>').map((part) => part.trim()) as [string, string]);

describe('the decision table (table.txt)', () => {
  it('is all there', () => {
    expect(table.length).toBeGreaterThanOrEqual(150);
  });

  it.each(table)('%s', (words, expected) => {
    expect(said(situation(words))).toBe(expected);
  });

  it.each([
    [facts({ target: { requested: GiB } }), 'spec.storage.resources.requests.storage'],
    [facts({ target: { contentType: 'archive' } }), 'spec.contentType'],
    [facts({ storage: { allowed: [] } }), 'spec'],
    [situation('source vetoed'), 'spec.source.pvc'],
    [
      facts({ target: { wanted: 'snapshot' }, storage: { snapshotAPI: false } }),
      'metadata.annotations[clonegate.io/strategy]',
    ],
  ])('names the field to change: %#', (given, field) => {
    expect(decide(given)).toMatchObject({ outcome: 'refused', field });
  });

  it('tells what the wanted strategy lacks, and of no other', () => {
    const decision = decide(situation('wants csi-clone, prefers csi-clone, other driver, no snapshot API'));
    expect(decision).toMatchObject({
      message: expect.stringContaining('csi-clone: the source is served by other.example.com') as string,
    });
    expect(decision).not.toMatchObject({ message: expect.stringContaining('snapshot API') as string });
  });

  it('tells what every strategy lacks when none is possible', () => {
    const decision = decide(situation('prefers csi-clone, allows nothing'));
    for (const strategy of strategies)
      expect(decision).toMatchObject({ message: expect.stringContaining(`${strategy}: StorageClass fast`) as string });
  });

  it.each([
    ['prefers snapshot', 'fast-snapshots'],
    ['prefers csi-clone', 'fast-snapshots'],
    ['prefers snapshot, no snapshot class', undefined],
    ['prefers snapshot, no CSIDriver', undefined],
    ['prefers snapshot, source is a snapshot', undefined],
  ])('names the VolumeSnapshotClass that snapshot would take: %s', (words, snapshotClass) => {
    const decision = decide(situation(words));
    expect(decision.outcome === 'chosen' && decision.snapshotClass).toBe(snapshotClass);
    expect(Object.hasOwn(decision, 'snapshotClass')).toBe(snapshotClass !== undefined);
  });

  it('tells both sizes and the least that would do', () => {
    const decision = decide(facts({ target: { requested: GiB } }));
    expect(decision).toMatchObject({
      message: expect.stringMatching(/asks for 1Gi .* needs 10Gi .* at least 10Gi/) as string,
    });
  });
});

/** Mostly such that something is chosen: what is refused or put off for one fact tells nothing about the others. */
const anyFacts = fc
  .record({
    kind: fc.constantFrom('PersistentVolumeClaim' as const, 'VolumeSnapshot' as const),
    state: mostly('ready' as const, 'missing' as const, 'unbound' as const),
    content: mostly('kubevirt' as const, 'archive' as const),
    sizes: fc.tuple(
      fc.bigInt({ min: 0n, max: 4n * GiB }),
      fc.bigInt({ min: 0n, max: 4n * GiB }),
      fc.bigInt({ min: 0n, max: 8n * GiB }),
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
    without: fc.subarray(
      [
        'source.requested',
        'source.capacity',
        'source.volumeMode',
        'target.requested',
        'target.storage.snapshotClass',
        'target.storage',
        'target.storageClassName',
      ],
      { maxLength: 3 },
    ),
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

function mostly<T>(ordinary: T, ...others: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.constant(ordinary) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

describe('the decision, whatever the facts', () => {
  it('is a choice often enough for what follows to say something', () => {
    const outcomes = fc.sample(anyFacts, { seed: 1, numRuns: 400 }).map((given) => decide(given).outcome);
    for (const outcome of ['chosen', 'deferred', 'refused'] as const)
      expect(outcomes.filter((one) => one === outcome).length).toBeGreaterThan(40);
  });

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

  it('names the VolumeSnapshotClass exactly when the source is a claim and snapshot is possible', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const decision = decide(given);
        if (decision.outcome !== 'chosen') return;
        const { reason } = decision.candidates.find(({ strategy }) => strategy === 'snapshot') ?? {};
        const possible = reason === 'Preferred' || reason === 'BestPossible' || reason === 'NotPreferred';
        const wanted = possible && given.source.kind === 'PersistentVolumeClaim';
        expect(decision.snapshotClass).toBe(wanted ? given.target.storage?.snapshotClass : undefined);
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
