import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../../shared/decision/decide.ts';
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

  it('stays within 2 KiB and keeps every code when names are as long as they can be', () => {
    const long = 'n'.repeat(253);
    const decision = decide(
      facts({
        source: { name: long, namespace: long, provisioner: 'p'.repeat(2000) },
        storage: { provisioner: 'q'.repeat(2000) },
      }),
    );
    const text = encodeRecord(decision, { id: 'i'.repeat(36) });
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
