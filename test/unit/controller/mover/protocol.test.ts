import { describe, expect, test } from 'vitest';
import { CopyError } from '../../../../controller/mover/failure.ts';
import { longestLine, type Message, read, write } from '../../../../controller/mover/peer/protocol.ts';

const huge = 2n ** 63n - 1n;

describe('what two pods say to each other', () => {
  test.each<Message>([
    { kind: 'alive' },
    { kind: 'end' },
    { kind: 'image', size: huge },
    { kind: 'tree', entries: 3, bytes: huge, allocated: 0n },
    { kind: 'mark', done: huge, digest: 'ab' },
    { kind: 'entry', text: 'file\x00644\x00\u00ff\n\x00', digest: '' },
  ])('is understood as it was meant: $kind', (message) => {
    expect(write(message)).toMatch(/^[^\n]+\n$/u);
    expect(read(write(message))).toEqual(message);
  });

  test('fits into a line whatever things are called', () => {
    const text = `symlink\x00777\x00${'\u0001'.repeat(4096)}\x00${'\u0001'.repeat(4096)}\x00`;
    expect(write({ kind: 'entry', text, digest: 'a'.repeat(64) }).length).toBeLessThan(longestLine);
  });

  test('names the reason of a failure, and where it was', () => {
    const error = new CopyError('CopyIOError', 'it broke', { offset: huge });
    expect(read(write({ kind: 'failed', error }))).toMatchObject({
      error: { reason: 'CopyIOError', message: 'it broke', retry: true, offset: huge, side: 'source' },
    });
    const final = new CopyError('CopyContentInvalid', 'there is none');
    expect(read(write({ kind: 'failed', error: final }))).toMatchObject({
      error: { reason: 'CopyContentInvalid', retry: false, offset: undefined, side: undefined },
    });
  });

  test('is a failure of a tool when the reason is one that there is not', () => {
    expect(read('{"kind":"failed","reason":"CloneSucceeded"}')).toMatchObject({
      error: { reason: 'CopyToolFailed', message: 'the export pod does not say why', retry: false },
    });
  });

  test.each([
    '',
    'hello',
    '[]',
    '{"kind":"image"}',
    '{"kind":"image","size":7}',
    '{"kind":"image","size":"-1"}',
    '{"kind":"image","size":"99999999999999999999"}',
    '{"kind":"tree","entries":1.5,"bytes":"1","allocated":"1"}',
    '{"kind":"mark","done":"1e3","digest":""}',
    '{"kind":"entry","text":7,"digest":""}',
    '{"kind":"entry","text":""}',
    '{"kind":"surprise"}',
  ])('is not %s', (line) => {
    expect(read(line)).toBeUndefined();
  });
});
