import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linesOf } from '../../../shared/kube/lines.ts';

async function split(chunks: readonly Buffer[], limit = 1_000_000): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(feed(chunks), limit)) lines.push(line);
  return lines;
}

async function* feed(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

/** The bytes cut at the given places (modulo their number). */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  return [...sorted, bytes.length].map((end, index) => bytes.subarray(sorted[index - 1] ?? 0, end));
}

test('lines are the same wherever the stream was cut, inside a character too', async () => {
  const line = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.includes('\n'));
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat()), async (lines, places) => {
      const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(''));
      expect(await split(cut(bytes, places))).toEqual(lines);
      // Byte by byte, so that every border is tried.
      expect(await split([...bytes].map((byte) => Buffer.from([byte])))).toEqual(lines);
    }),
    { numRuns: 200 },
  );
});

test('half a line at the end is dropped', async () => {
  expect(await split([Buffer.from('{"a":1}\n{"b"')])).toEqual(['{"a":1}']);
});

test('a line may be as long as the limit, and no longer, however it comes', async () => {
  const chunk = Buffer.from('x'.repeat(5));
  expect(await split([chunk, chunk, Buffer.from('\n')], 10)).toEqual(['xxxxxxxxxx']);
  await expect(split([chunk, chunk, Buffer.from('x\n')], 10)).rejects.toThrow(RangeError);
  await expect(split([Buffer.from('xxxxxxxxxxx\n')], 10)).rejects.toThrow(RangeError);
  // A stream without any line feed must not be kept until it ends.
  await expect(split([chunk, chunk, Buffer.from('x')], 10)).rejects.toThrow(RangeError);
});
