import { describe, expect, it } from 'vitest';
import { bodyLimit, readJson } from '../../../webhook/body.ts';

const mebibyte = 1 << 20;

/** Counts how much was taken of `length` blanks. */
function blanks(length: number) {
  const taken = { bytes: 0 };
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0; left -= mebibyte) {
      taken.bytes += Math.min(left, mebibyte);
      yield Buffer.alloc(Math.min(left, mebibyte), ' ');
    }
  }
  return { taken, chunks: chunks() };
}

async function* pieces(...texts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text as string);
}

describe('readJson', () => {
  it('reads JSON that comes in pieces, also when a character is cut in two', async () => {
    const bytes = Buffer.from('{"name":"größe"}');
    expect(await readJson(pieces(bytes.subarray(0, 11), bytes.subarray(11)))).toEqual({ name: 'größe' });
  });

  it('keeps a key that objects inherit, and only there', async () => {
    const value = (await readJson(pieces('{"__proto__":{"allowed":true}}'))) as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect('allowed' in value).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['half of it', '{"a":'],
    ['more than it', '{} {}'],
    ['other bytes', Uint8Array.of(0x22, 0xff, 0x22)],
  ])('refuses %s', async (_, text) => {
    await expect(readJson(pieces(text))).rejects.toMatchObject({ statusCode: 400, message: 'the body is not JSON' });
  });

  it('takes what is too large to its end before it says so', async () => {
    const { taken, chunks } = blanks(bodyLimit + 1);
    await expect(readJson(chunks)).rejects.toMatchObject({ statusCode: 413 });
    expect(taken.bytes).toBe(bodyLimit + 1);
  });

  it('does not take what is far too large', async () => {
    const { taken, chunks } = blanks(100 * mebibyte);
    await expect(readJson(chunks)).rejects.toMatchObject({ statusCode: 413 });
    expect(taken.bytes).toBe(29 * mebibyte);
  });
});
