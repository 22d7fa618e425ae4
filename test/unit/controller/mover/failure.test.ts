import { describe, expect, test } from 'vitest';
import { CopyError, failed, fromEnding, fromErrno, sentence } from '../../../../controller/mover/failure.ts';
import type { CopyFailure } from '../../../../shared/api/copy.ts';

const ended = (said: string, code: number | null = 1, signal: string | null = null) =>
  failed(fromEnding('tool', { code, signal, said }));

describe('a tool that fails', () => {
  test.each([
    ['qemu-img: error while writing at byte 4096: No space left on device', 'CopyNoSpace', false],
    ['cp: error writing "/destination/x": Disk quota exceeded', 'CopyNoSpace', false],
    ['rsync: [receiver] write failed on "/destination/a": No space left on device (28)', 'CopyNoSpace', false],
    ['rsync: [sender] read errors mapping "/source/a": Input/output error (5)', 'CopyIOError', true],
    ['qemu-img: error while reading block status at offset 0: Structure needs cleaning', 'CopyIOError', true],
    ["xargs: cp: cannot open './a' for reading: Permission denied", 'CopyPermissionDenied', false],
    ['rsync: [receiver] chown "/destination/a" failed: Operation not permitted (1)', 'CopyPermissionDenied', false],
    ['cp: cannot create regular file "/destination/a": Read-only file system', 'CopyPermissionDenied', false],
    ['qemu-img: Could not open: File too large', 'CopyTargetTooSmall', false],
    ['cp: error reading "a": No such device or address', 'CopyIOError', true],
    // What storages say that were taken away, whose network or whose server is gone, or whose medium is bad.
    ['qemu-img: error while reading at byte 0: No data available', 'CopyIOError', true],
    ['qemu-img: error while reading at byte 0: Remote I/O error', 'CopyIOError', true],
    ["cp: cannot stat 'a': Stale file handle", 'CopyIOError', true],
    ["qemu-img: Could not open '/proc/self/fd/4': No such device", 'CopyIOError', true],
    ['rsync: [receiver] close failed on "/destination/a": Connection timed out (110)', 'CopyIOError', true],
    ['cp: error reading "a": Transport endpoint is not connected', 'CopyIOError', true],
    ["cp: setting attributes for 'a': Operation not supported", 'CopyToolFailed', false],
    ['rsync error: some files vanished before they could be transferred (code 24)', 'CopyToolFailed', true],
  ])('is understood: %s', (said, reason, retry) => {
    expect(ended(said)).toMatchObject({ outcome: 'failed', reason, retry, message: expect.stringContaining(said) });
  });

  test('tells at which byte of the image', () => {
    expect(ended('qemu-img: error while reading at byte 1048576: Input/output error')).toMatchObject({
      reason: 'CopyIOError',
      offset: '1048576',
    });
    expect(ended('cp: error reading "byte 7": Input/output error')).not.toHaveProperty('offset');
    // Where a volume was full says nothing: all that is behind it does not fit either.
    expect(ended('qemu-img: error while writing at byte 4096: No space left on device')).not.toHaveProperty('offset');
  });

  test.each([
    ['rsync: [sender] read errors mapping "/source/a": Input/output error (5)', 'source'],
    ['cp: error reading "a": Input/output error\ncp: cannot access "b": Input/output error', 'source'],
    ["cp: cannot open './a' for reading: Input/output error", 'source'],
    ['rsync: [receiver] read errors mapping "/destination/a": Input/output error (5)', undefined],
    ['cp: error writing "cp: error reading ": Input/output error', undefined],
    ["cp: cannot stat 'a': Input/output error", undefined],
    ['qemu-img: error while reading at byte 0: Input/output error', undefined],
    ['cp: error reading "a": Input/output error\ncp: error writing "b": Input/output error', undefined],
    ['cp: error reading "a": Input/output error\ncp: error writing "b": No space left on device', undefined],
  ])('tells when only the source is to blame: %s', (said, side) => {
    const result = ended(said);
    expect(result).toMatchObject({ reason: 'CopyIOError' });
    expect(result.side).toBe(side);
  });

  test('tells no side of what is no I/O error', () => {
    expect(ended("cp: cannot open 'a' for reading: Permission denied")).not.toHaveProperty('side');
  });

  test('is not understood by the name of a file', () => {
    const said = 'rsync: [sender] change_dir "/source/ENOSPC: No space left on device/Input/output error" failed';
    expect(ended(said)).toMatchObject({ reason: 'CopyToolFailed' });
  });

  test('is understood by the first of its lines that says something', () => {
    const said = 'warning: odd\ncp: error writing "a": No space left on device\ncp: b: Permission denied\n';
    expect(ended(said)).toMatchObject({
      reason: 'CopyNoSpace',
      message: 'tool said: cp: error writing "a": No space left on device',
    });
  });

  test('and says nothing is told by exit code or signal', () => {
    expect(ended('', 7)).toMatchObject({ message: 'tool ended with exit code 7 and said nothing' });
    expect(ended('', null, 'SIGKILL')).toMatchObject({
      reason: 'CopyToolFailed',
      retry: true,
      message: expect.stringContaining('memory'),
    });
    expect(ended('', null, 'SIGSEGV')).toMatchObject({ message: 'tool was ended by SIGSEGV' });
  });
});

describe('a failed system call', () => {
  test.each([
    ['ENOSPC', 'CopyNoSpace'],
    ['EIO', 'CopyIOError'],
    ['ENODATA', 'CopyIOError'],
    ['EREMOTEIO', 'CopyIOError'],
    ['ESTALE', 'CopyIOError'],
    ['ENODEV', 'CopyIOError'],
    ['ETIMEDOUT', 'CopyIOError'],
    ['ENOTCONN', 'CopyIOError'],
    ['EROFS', 'CopyPermissionDenied'],
    ['EWHATEVER', 'CopyToolFailed'],
  ])('%s is %s', (code, reason) => {
    expect(fromErrno(Object.assign(new Error('odd'), { code }), 'reading x')).toMatchObject({ reason });
  });

  test("is told in the tools' words where these are known, else in Node's", () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(fromErrno(full, 'writing x').message).toBe('writing x: No space left on device');
    expect(fromErrno(new Error('odd'), 'reading x').message).toBe('reading x: odd');
    expect(fromErrno('a text', 'reading x').message).toBe('reading x: a text');
    expect(fromErrno(undefined, 'reading x').message).toBe('reading x: undefined');
  });

  test('does not hide a failure that is known already', () => {
    const known = new CopyError('CopyContentInvalid', 'no');
    expect(fromErrno(known, 'reading x')).toBe(known);
  });
});

test.each<[CopyFailure, boolean]>([
  ['CopyNoSpace', false],
  ['CopyIOError', true],
  ['CopyPermissionDenied', false],
  ['CopyContentInvalid', false],
  ['CopyTargetTooSmall', false],
  ['CopyVerificationFailed', true],
  ['CopyPeerUnreachable', true],
  ['CopyToolFailed', true],
])('after %s, where nothing more is known, to try again could help: %s', (reason, retry) => {
  expect(new CopyError(reason, 'no').retry).toBe(retry);
  expect(failed(new CopyError(reason, 'no'))).toMatchObject({ reason, retry });
  expect(failed(new CopyError(reason, 'no', { retry: !retry }))).toMatchObject({ reason, retry: !retry });
});

describe('a message', () => {
  test('is one line, whatever a guest has called its files', () => {
    expect(sentence(' a\nb\r\n\tc\u2028d\u0000e\u202Ef ')).toBe('a b c d e f');
  });

  test('is cut, and fits a termination message with the rest of the result', () => {
    const { message } = failed(new CopyError('CopyToolFailed', `"\\${'界'.repeat(5000)}`));
    expect(message).toHaveLength(1000);
    expect(message.endsWith('…')).toBe(true);
    const quotes = failed(new CopyError('CopyIOError', '"'.repeat(5000), { offset: 2n ** 63n }));
    for (const result of [quotes, failed(new CopyError('CopyIOError', '\u{1F600}'.repeat(5000)))])
      expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(4096);
  });

  test('is text also where a pair of halves was cut in two', () => {
    expect(sentence(`x${'\u{1F600}'.repeat(5000)}`).isWellFormed()).toBe(true);
  });
});
