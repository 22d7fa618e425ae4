import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSweeper, sweepBehind } from '../../../../controller/mover/sweeping.ts';

const collect = vi.fn<(how: object) => void>();

beforeEach(() => vi.stubGlobal('gc', collect));
afterEach(() => {
  vi.unstubAllGlobals();
  collect.mockReset();
});

test('collects each time that so much was used, and what it was asked for', () => {
  const sweep = createSweeper('major', 10);
  for (const used of [4, 5]) sweep(used);
  expect(collect).not.toHaveBeenCalled();
  sweep(1);
  expect(collect.mock.calls).toEqual([[{ type: 'major' }]]);
  sweep(9);
  expect(collect).toHaveBeenCalledOnce();
  sweep(20);
  expect(collect).toHaveBeenCalledTimes(2);
});

test('of a stream, what is young every MiB; nothing is lost of it', async () => {
  const stream = new PassThrough();
  const end = new PassThrough();
  sweepBehind(stream);
  stream.pipe(end);
  for (let piece = 0; piece < 33; piece += 1) stream.write(Buffer.alloc(65_536));
  stream.end();
  expect((await buffer(end)).length).toBe(33 * 65_536);
  expect(collect.mock.calls).toEqual([[{ type: 'minor' }], [{ type: 'minor' }]]);
});

test('does without where Node cannot be told', () => {
  vi.stubGlobal('gc', undefined);
  expect(() => createSweeper('major', 1)(1)).not.toThrow();
});
