import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { annotations, type Strategy, strategies } from '../../../shared/api/names.ts';
import type { ReasonCode } from '../../../shared/api/reasons.ts';
import { asAdmitted, fallenBack, nextStrategy, standingOf } from '../../../shared/decision/fallback.ts';
import { encodeRecord, parseRecord } from '../../../shared/decision/record.ts';

type Rows = readonly (readonly [Strategy, ReasonCode])[];

const all: Rows = [
  ['csi-clone', 'Preferred'],
  ['snapshot', 'NotPreferred'],
  ['copy', 'NotPreferred'],
];

function admitted(rows: Rows = all, message = 'why'): Record<string, string> {
  const strategy = rows[0]?.[0] ?? 'copy';
  const candidates = rows.map(([name, reason]) => ({ strategy: name, reason, message }));
  const decision = encodeRecord({ outcome: 'chosen', strategy, candidates }, { id: 'id-1' });
  return { 'other/key': 'x', [annotations.cloneType]: strategy, [annotations.decision]: decision };
}

function fallBack(metadata: Record<string, string>, message = 'no space'): Record<string, string> {
  const standing = standingOf(metadata);
  const to = standing === undefined ? undefined : nextStrategy(standing);
  if (standing === undefined || to === undefined) throw new Error('there is nothing to fall back to');
  const { [annotations.decision]: decision = '' } = metadata;
  return { ...metadata, ...fallenBack(standing, decision, { from: standing.strategy, to, message }) };
}

describe('a decision that was fallen back from', () => {
  test('says what counts now and what was tried, and what it was before', () => {
    const before = admitted();
    const after = fallBack(fallBack(before), 'no such thing');

    expect(standingOf(after)).toMatchObject({
      strategy: 'copy',
      fallbacks: [
        { from: 'csi-clone', to: 'snapshot', message: 'no space' },
        { from: 'snapshot', to: 'copy', message: 'no such thing' },
      ],
    });
    expect(after[annotations.cloneType]).toBe('copy');
    expect(parseRecord(after[annotations.decision])).toEqual(parseRecord(before[annotations.decision]));
    expect(asAdmitted(after)).toEqual(before);
  });

  test('tries every candidate that was possible once, in order', () => {
    const first = standingOf(admitted());
    const second = standingOf(fallBack(admitted()));
    const third = standingOf(fallBack(fallBack(admitted())));
    const next = [first, second, third].map((standing) => standing && nextStrategy(standing));

    expect(next).toEqual(['snapshot', 'copy', undefined]);
  });

  test.each<[string, Rows]>([
    [
      'what lacks a prerequisite',
      [
        ['csi-clone', 'Preferred'],
        ['snapshot', 'NoSnapshotAPI'],
        ['copy', 'StrategyForbidden'],
      ],
    ],
    [
      'another than the user insists on',
      [
        ['csi-clone', 'Requested'],
        ['snapshot', 'NotPreferred'],
        ['copy', 'NotPreferred'],
      ],
    ],
  ])('never falls back to %s', (_name, rows) => {
    const standing = standingOf(admitted(rows));

    expect(standing?.strategy).toBe('csi-clone');
    expect(standing && nextStrategy(standing)).toBeUndefined();
  });

  test('stays within its bytes and readable, whatever was said', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 3000 }), fc.string({ maxLength: 600 }), (said, why) => {
        const before = admitted(all, why);
        const after = fallBack(fallBack(before, said), said);
        const grown =
          Buffer.byteLength(after[annotations.decision] ?? '') - Buffer.byteLength(before[annotations.decision] ?? '');
        expect(grown).toBeLessThanOrEqual(512);
        expect(standingOf(after)?.strategy).toBe('copy');
        expect(asAdmitted(after)).toEqual(before);
      }),
    );
  });
});

describe('what was never fallen back from', () => {
  test('stays as it is, to the letter', () => {
    const spaced = { ...admitted(), [annotations.decision]: `${admitted()[annotations.decision] ?? ''} ` };
    expect(asAdmitted(spaced)).toBe(spaced);
    expect(asAdmitted({})).toEqual({});
  });

  test('has no standing where nothing is chosen', () => {
    const deferred = { outcome: 'deferred', reason: 'SourceNotFound', message: '' } as const;
    expect(standingOf()).toBeUndefined();
    expect(standingOf({ [annotations.decision]: encodeRecord(deferred, { id: 'id-1' }) })).toBeUndefined();
  });

  test('cannot be noted when nothing was chosen, or when there is no room for it', () => {
    const standing = standingOf(admitted());
    if (standing === undefined) throw new Error('there is no standing');
    const fallback = { from: 'csi-clone', to: 'copy', message: '' } as const;
    const { strategy: _, ...record } = standing.record;
    expect(() => fallenBack({ ...standing, record }, '{}', fallback)).toThrow(TypeError);
    const fallbacks = Array.from({ length: 20 }, () => fallback);
    expect(() => fallenBack({ ...standing, fallbacks }, '{}', fallback)).toThrow(TypeError);
  });

  test('tells of as much of what was said as there is room for, to the byte', () => {
    const before = fallBack(admitted(), 'x'.repeat(160));
    const room = (said: string): number => Buffer.byteLength(said);
    const kept = Array.from({ length: 161 }, (_, wide) => {
      const said = 'é'.repeat(wide) + 'x'.repeat(160 - wide);
      const { [annotations.decision]: decision = '' } = fallBack(before, said);
      return { whole: decision.includes(said), bytes: room(decision) - room(admitted()[annotations.decision] ?? '') };
    });
    expect(Math.max(...kept.map(({ bytes }) => bytes))).toBe(512);
    expect(kept.findLast(({ whole }) => whole)?.bytes).toBe(512);
  });
});

describe('fallbacks that somebody else wrote', () => {
  const forge = (fallbacks: unknown, cloneType: Strategy, rows: Rows = all): Record<string, string> => {
    const metadata = admitted(rows);
    const record = JSON.parse(metadata[annotations.decision] ?? '') as object;
    return {
      ...metadata,
      [annotations.cloneType]: cloneType,
      [annotations.decision]: JSON.stringify({ ...record, fallbacks }),
    };
  };

  test.each<[string, Record<string, string>]>([
    [
      'to what was not possible',
      forge([{ from: 'csi-clone', to: 'copy', message: '' }], 'copy', [
        ['csi-clone', 'Preferred'],
        ['copy', 'StrategyForbidden'],
      ]),
    ],
    ['from what was not chosen', forge([{ from: 'snapshot', to: 'copy', message: '' }], 'copy')],
    [
      'back to what has failed',
      forge(
        [
          { from: 'csi-clone', to: 'snapshot', message: '' },
          { from: 'snapshot', to: 'csi-clone', message: '' },
        ],
        'csi-clone',
      ),
    ],
    ['that the annotation does not follow', forge([{ from: 'csi-clone', to: 'snapshot', message: '' }], 'csi-clone')],
    [
      'to what has failed already',
      forge(
        [
          { from: 'csi-clone', to: 'snapshot', message: '' },
          { from: 'snapshot', to: 'copy', message: '' },
          { from: 'copy', to: 'snapshot', message: '' },
        ],
        'snapshot',
      ),
    ],
    ['that are no list', forge('snapshot', 'csi-clone')],
    ['that are an empty text', forge('', 'csi-clone')],
    ['that say nothing', forge([null], 'csi-clone')],
    ['without a message', forge([{ from: 'csi-clone', to: 'snapshot' }], 'snapshot')],
    ['that are no fallbacks', forge([{ from: 'csi-clone', to: 'magic', message: '' }], 'csi-clone')],
  ])('%s count for nothing, and what was stamped does not fit them', (_name, metadata) => {
    expect(standingOf(metadata)).toBeUndefined();
    expect(asAdmitted(metadata)).toBe(metadata);
  });

  test('count for nothing without a strategy beside them, either', () => {
    const { [annotations.cloneType]: _, ...metadata } = forge([{ from: 'copy', to: 'copy', message: '' }], 'copy');
    expect(standingOf(metadata)).toBeUndefined();
  });

  test('are never taken for something that is no strategy of the decision', () => {
    const fallback = fc.record({
      from: fc.constantFrom(...strategies),
      to: fc.constantFrom(...strategies),
      message: fc.string(),
    });
    fc.assert(
      fc.property(fc.array(fallback, { maxLength: 4 }), fc.constantFrom(...strategies), (fallbacks, cloneType) => {
        const standing = standingOf(forge(fallbacks, cloneType));
        expect([undefined, cloneType]).toContain(standing?.strategy);
        expect(standing === undefined || fallbacks.length < strategies.length).toBe(true);
      }),
    );
  });
});
