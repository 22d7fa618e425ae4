import { beforeEach, describe, expect, test } from 'vitest';
import { createProgressReader, type ProgressReader } from '../../../../controller/copy/progress.ts';
import { ApiError } from '../../../../shared/kube/errors.ts';
import { createLogger } from '../../../../shared/process/log.ts';
import { FakeClock } from '../../../support/clock.ts';

const pod = { kind: 'Pod', namespace: 'golden', name: 'clonegate-copy-1', uid: 'pod-uid' };
const { signal } = new AbortController();
const line = (done: number | string, more: object = {}) =>
  JSON.stringify({ copy: 'progress', step: 'copying', done: String(done), total: '1000', rate: 1_048_576, ...more });

let text: string | Error;
let asked: number;
let clock: FakeClock;
let reader: ProgressReader;

beforeEach(() => {
  text = '';
  asked = 0;
  clock = new FakeClock(0);
  const podLog = async (): Promise<string> => {
    asked += 1;
    if (text instanceof Error) throw text;
    return text;
  };
  reader = createProgressReader({
    client: { podLog },
    clock,
    log: createLogger({ level: 'silent', name: 't' }),
    interval: 5000,
  });
});

/** What is told when the log has said this for so long. */
async function told(says: string | Error, ms = 5000, copying: 'plain' | 'verified' = 'plain') {
  text = says;
  await clock.advance(ms);
  reader.of('k', pod, copying, signal);
  await clock.advance(0);
  return reader.of('k', pod, copying, signal);
}

describe('the progress of a copy', () => {
  test('is the last line that tells it, among whatever else stands there', async () => {
    const log = [line(1), 'level=info', line(123, { remaining: 8.2 }), '{"level":30,"msg":"half"}', ''].join('\n');

    expect(await told(log)).toMatchObject({
      progress: '12.30%',
      words: '123 of 1000 are copied, 1.0 MiB/s, about 9 s left',
    });
  });

  test('is asked for once in an interval, and nobody waits for the answer', async () => {
    text = line(500);
    expect(reader.of('k', pod, 'plain', signal)).toBeUndefined();
    await clock.advance(4999);
    expect(reader.of('k', pod, 'plain', signal)).toMatchObject({ progress: '50.00%' });
    expect(asked).toBe(1);
    await clock.advance(1);
    reader.of('k', pod, 'plain', signal);
    expect(asked).toBe(2);
  });

  test('stays what it was until it is noticeably more, or a minute has gone', async () => {
    await told(line(500));
    expect(await told(line(509))).toMatchObject({ progress: '50.00%' });
    expect(await told(line(510))).toMatchObject({ progress: '51.00%' });
    expect(await told(line(512))).toMatchObject({ progress: '51.00%' });
    expect(await told(line(512), 60_000)).toMatchObject({ progress: '51.20%' });
  });

  test('that does not come on is not told anew, so that it counts as a stall', async () => {
    const before = await told(line(500));
    for (let minutes = 0; minutes < 5; minutes += 1)
      expect(await told(line(500, { rate: minutes }), 60_000)).toBe(before);
  });

  test('is half of it when all is written that will be read again', async () => {
    expect(await told(line(1000), 5000, 'verified')).toMatchObject({ progress: '50.00%' });
    expect(await told(line(500, { step: 'verifying' }), 5000, 'verified')).toMatchObject({
      progress: '75.00%',
      words: expect.stringContaining('500 of 1000 are compared'),
    });
  });

  test.each([
    ['no line', ''],
    ['another kind of line', '{"copy":"result"}'],
    ['another step', line(1, { step: 'dreaming' })],
    ['no number', line('many')],
    ['a number of JSON', line(1, { done: 1 })],
    ['a negative one', line(-5)],
    ['no JSON', 'copy: 17 %'],
  ])('is not told by %s', async (_name, says) => {
    expect(await told(says)).toBeUndefined();
  });

  test.each([
    ['more than all', line(5000), '100.00%'],
    ['all of nothing', line(0, { total: '0' }), '100.00%'],
    ['more bytes than a double can count', line('9007199254740993', { total: '18014398509481986' }), '50.00%'],
    ['a rate that is none', line(500, { rate: 'fast', remaining: -1 }), '50.00%'],
  ])('may be %s', async (_name, says, progress) => {
    expect(await told(says)).toMatchObject({ progress });
  });

  test('that cannot be read stays what it was', async () => {
    await told(line(500));
    expect(await told(new ApiError('no route', { code: 500, reason: 'InternalError' }))).toMatchObject({
      progress: '50.00%',
    });
  });

  test('is that of the pod, not of an earlier one, and is forgotten', async () => {
    await told(line(500));
    expect(reader.of('k', { ...pod, uid: 'other' }, 'plain', signal)).toBeUndefined();
    await told(line(500));
    reader.forget('k');
    expect(reader.of('k', pod, 'plain', signal)).toBeUndefined();
  });
});
