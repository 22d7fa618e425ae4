import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../../shared/decision/decide.ts';
import { footprint } from '../../../shared/decision/footprint.ts';
import { encodeRecord, parseRecord } from '../../../shared/decision/record.ts';
import { facts } from '../../support/build/facts.ts';

describe('the decision record', () => {
  it.each([
    ['a choice', facts()],
    ['a deferral', facts({ source: { state: 'missing' } })],
    ['a refusal', facts({ target: { requested: 1n } })],
  ])('says the same after a round trip: %s', (_what, given) => {
    const decision = decide(given);
    expect(parseRecord(encodeRecord(decision, { id: 'review-1' }))).toEqual({ v: 1, id: 'review-1', ...decision });
  });

  it.each([
    ['into the same namespace', 'csi-clone', facts({ source: { namespace: 'tenant-a' } })],
    ['into another namespace', 'snapshot', facts()],
    ['of a size that no unit divides, without a class', 'copy', facts({ target: { requested: (1n << 60n) + 1n } })],
    [
      'of a size that nobody knows',
      'copy',
      facts({ without: ['target.requested', 'source.requested', 'source.capacity'] }),
    ],
  ] as const)('says what is made by a clone %s', (_what, strategy, given) => {
    const makes = footprint(strategy, given);
    const text = encodeRecord(decide(given), { id: 'review-1', makes });
    const [size] = makes[0]?.claims.map((claim) => claim.size) ?? [];
    expect(parseRecord(text)).toEqual({
      v: 1,
      id: 'review-1',
      ...decide(given),
      makes,
      ...(size === undefined ? {} : { size }),
    });
  });

  it('says it in words that a person reads without a manual', () => {
    const given = facts();
    const text = encodeRecord(decide(given), { id: 'x', makes: footprint('snapshot', given) });
    expect(JSON.parse(text)).toMatchObject({
      size: '10Gi',
      makes: [
        { namespace: 'tenant-a', claims: [{ size: '10Gi', class: 'fast' }] },
        { namespace: 'golden', claims: [{ size: '10Gi', class: 'fast', temporary: true }], snapshots: 1 },
      ],
    });
  });

  it('says nothing of what would be made as long as nothing is chosen', () => {
    const deferred = decide(facts({ source: { state: 'missing' } }));
    expect(encodeRecord(deferred, { id: 'x', makes: footprint('copy', facts()) })).not.toContain('makes');
  });

  it.each([
    '{"snapshotClass":7}',
    '{"sourceUid":7}',
    '{"size":7}',
    '{"size":"big"}',
    '{"makes":{}}',
    '{"makes":[null]}',
    '{"makes":[{"namespace":"a"}]}',
    '{"makes":[{"namespace":1,"claims":[]}]}',
    '{"makes":[{"namespace":"a","claims":[{"size":"-"}]}]}',
    '{"makes":[{"namespace":"a","claims":[{"class":1}]}]}',
    '{"makes":[{"namespace":"a","claims":[{"temporary":"yes"}]}]}',
    '{"makes":[{"namespace":"a","claims":[],"pods":-1}]}',
    '{"makes":[{"namespace":"a","claims":[],"snapshots":1.5}]}',
  ])('takes a choice with %s for no record', (part) => {
    const choice = { ...decide(facts()), v: 1, id: 'x' };
    expect(parseRecord(JSON.stringify(choice))).toBeDefined();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    expect(parseRecord(JSON.stringify({ ...choice, ...(JSON.parse(part) as object) }))).toBeUndefined();
  });

  it('stays within 2 KiB and keeps every code when names are as long as they can be', () => {
    const long = 'n'.repeat(253);
    const decision = decide(
      facts({
        source: { name: long, namespace: long, provisioner: 'p'.repeat(2000) },
        storage: { provisioner: 'q'.repeat(2000) },
      }),
    );
    const there = facts({
      source: { name: long, namespace: 's'.repeat(63) },
      target: { namespace: 't'.repeat(63), storageClassName: long },
    });
    const text = encodeRecord(decision, { id: 'i'.repeat(36), makes: footprint('snapshot', there) });
    expect(parseRecord(text)?.makes).toEqual(footprint('snapshot', there));
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2048);
    expect(parseRecord(text)?.candidates?.map(({ reason }) => reason)).toEqual([
      'IncompatibleProvisioners',
      'IncompatibleProvisioners',
      'BestPossible',
    ]);
  });

  it.each([
    undefined,
    '',
    'null',
    '[]',
    '{}',
    '{"v":2,"id":"x","outcome":"chosen","strategy":"copy","candidates":[]}',
    '{"v":1,"id":"x","outcome":"chosen","strategy":"teleport","candidates":[]}',
    '{"v":1,"id":"x","outcome":"chosen","strategy":"copy"}',
    '{"v":1,"id":"x","outcome":"deferred","reason":"toString","message":""}',
    '{"v":1,"id":7,"outcome":"deferred","reason":"SourceNotFound","message":""}',
    `{"v":1,"id":"x","outcome":"deferred","reason":"SourceNotFound","message":"${'m'.repeat(2048)}"}`,
  ])('takes %j for no record', (text) => {
    expect(parseRecord(text)).toBeUndefined();
  });

  it('survives any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(() => parseRecord(text)).not.toThrow();
      }),
    );
  });
});
