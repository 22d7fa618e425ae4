import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  attemptOf,
  type CopyRecord,
  copiedOf,
  failed,
  historyOf,
  writeCopied,
  writeRecord,
} from '../../../../controller/copy/record.ts';
import { annotations } from '../../../../shared/api/names.ts';
import { claim, volume } from '../world.ts';

const record: CopyRecord = {
  attempts: 3,
  failures: 2,
  reason: 'CopyIOError',
  message: 'read failed at 42',
  at: Date.parse('2026-01-02T03:04:05Z'),
  final: false,
};
const noted = (text: string) => volume({ metadata: { annotations: { [annotations.copy]: text } } });
const marked = (text: string) => claim('t', { metadata: { annotations: { [annotations.copied]: text } } });
const none = { attempts: 0, failures: 0 };

describe('the history of a copy', () => {
  test('is read as it was written', () => {
    expect(historyOf(noted(writeRecord(record)))).toEqual(record);
    expect(historyOf(noted(writeRecord({ ...record, final: true })))).toEqual({ ...record, final: true });
    expect(historyOf(noted(writeRecord({ ...record, network: true })))).toEqual({ ...record, network: true });
    expect(historyOf(volume())).toEqual(none);
  });

  test('tells the claim that is kept, of an earlier try, and that two pods were needed; and takes nothing else for it', () => {
    const read = (more: object) => historyOf(noted(JSON.stringify({ ...JSON.parse(writeRecord(record)), ...more })));
    expect(read({ kept: 2 })).toEqual({ ...record, kept: 2 });
    for (const kept of [3, 4, -1, 1.5, '2', null]) expect(read({ kept })).toEqual(record);
    for (const network of [false, 'true', 1, null]) expect(read({ network })).toEqual(record);
  });

  test('tells whether a try has failed', () => {
    expect(failed(historyOf(noted(writeRecord(record))))).toBe(true);
    expect(failed(historyOf(volume()))).toBe(false);
  });

  test('is none when it is no record, and never an error', () => {
    const part = { attempts: 1, failures: 0, at: '2026-01-02T03:04:05Z' };
    for (const wrong of [
      '',
      '[]',
      'null',
      '{"attempts":"1"}',
      JSON.stringify({ ...part, attempts: -1 }),
      JSON.stringify({ ...part, attempts: 0, failures: 3 }),
      JSON.stringify({ ...part, attempts: 1.5 }),
      JSON.stringify({ ...part, failures: -1 }),
      JSON.stringify({ ...part, failures: '0' }),
      JSON.stringify({ ...part, at: 'soon' }),
      JSON.stringify({ ...part, at: 2026 }),
    ])
      expect(historyOf(noted(wrong))).toEqual(none);
    expect(historyOf(noted(JSON.stringify(part)))).toMatchObject({
      attempts: 1,
      reason: 'CopyToolFailed',
      final: false,
    });
    expect(historyOf(noted(JSON.stringify({ ...part, message: 7 })))).toMatchObject({ attempts: 1, message: '' });
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => historyOf(noted(text)).attempts >= 0));
  });

  test('keeps an annotation small, whatever was said', () => {
    expect(Buffer.byteLength(writeRecord({ ...record, message: 'x'.repeat(100_000) }))).toBeLessThan(2048);
  });
});

test('what a claim holds is read as it was written, and nothing else is believed', () => {
  const whole = { bytes: 12_345_678_901_234_567_890n, seconds: 1.5, digest: `sha256:${'0'.repeat(64)}` };
  expect(copiedOf(marked(writeCopied(whole)))).toEqual(whole);
  // So small that its time is nothing; and a list is no digest, though it is printed as one.
  const quick = { bytes: '1', seconds: 0, digest: [whole.digest] };
  expect(copiedOf(marked(JSON.stringify(quick)))).toEqual({ bytes: 1n, seconds: 0 });
  for (const wrong of ['', 'true', '{}', '{"bytes":1,"seconds":1}', '{"bytes":"1"}', '{"bytes":"1","seconds":"1"}'])
    expect(copiedOf(marked(wrong))).toBeUndefined();
});

test.each([
  ['0', 0],
  ['17', 17],
  ['', undefined],
  ['-1', undefined],
  ['1e3', undefined],
])('the try %j of a claim is %s', (text, attempt) => {
  expect(attemptOf(claim('t', { metadata: { annotations: { [annotations.copyAttempt]: text } } }))).toBe(attempt);
});
