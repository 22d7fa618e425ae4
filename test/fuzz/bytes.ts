import fc from 'fast-check';

/** Damage to a body on its way, which knows nothing of JSON: most of it ends as no JSON at all, some as JSON that nobody meant. */

export type Damage = { readonly at: number } & (
  | { readonly kind: 'flip'; readonly bit: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'drop'; readonly length: number }
  | { readonly kind: 'double'; readonly length: number }
  | { readonly kind: 'insert'; readonly text: string }
  | { readonly kind: 'token'; readonly text: string }
  | { readonly kind: 'fill'; readonly text: string; readonly times: number }
  | { readonly kind: 'nest'; readonly open: string; readonly close: string; readonly depth: number }
);

/** The API server's decoder goes no deeper than this. */
const deepest = 10_000;
const tokens = [
  'null',
  'true',
  '0',
  '-1',
  '1e999',
  '""',
  '[]',
  '{}',
  '"__proto__"',
  '"vault"',
  '"secret"',
  '"\\ud800"',
];
const snippets = [
  ',',
  '"',
  '\\',
  '{',
  '}',
  '\u0000',
  '\uFEFF',
  '"__proto__":{"allowed":true},',
  '"spec":null,',
  '\u202E',
];

/** Where: as a share of the body, so that it hits bodies of all lengths alike. */
const at = fc.nat(9999).map((share) => share / 10_000);

const damage: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), at }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('drop' as const), at, length: fc.integer({ min: 1, max: 64 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('double' as const), at, length: fc.integer({ min: 1, max: 400 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('insert' as const), at, text: fc.constantFrom(...snippets) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('token' as const), at, text: fc.constantFrom(...tokens) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('fill' as const),
      at,
      text: fc.constantFrom('x', '\\u0000', 'é', '\\n'),
      times: fc.constantFrom(10, 1000, 100_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('nest' as const),
      at,
      open: fc.constantFrom('[', '{"a":', '{"spec":'),
      close: fc.constantFrom(']', '}'),
      depth: fc.constantFrom(10, 1000, deepest),
    }),
  },
);

export const damages = fc.array(damage, { minLength: 1, maxLength: 3 });

export function damaged(body: Buffer, all: readonly Damage[]): Buffer {
  return all.reduce(hit, body);
}

function hit(body: Buffer, one: Damage): Buffer {
  const place = Math.floor(one.at * body.length);
  switch (one.kind) {
    case 'flip': {
      const copy = Buffer.from(body);
      copy[place] = (copy[place] ?? 0) ^ (1 << one.bit);
      return copy;
    }
    case 'cut':
      return body.subarray(0, place);
    case 'drop':
      return splice(body, place, one.length, '');
    case 'double':
      return splice(body, place, 0, body.subarray(place, place + one.length));
    case 'insert':
      return splice(body, place, 0, one.text);
    case 'token':
      return replaceToken(body, place, one.text);
    case 'fill':
      return splice(body, quoteAfter(body, place), 0, one.text.repeat(one.times));
    case 'nest':
      return replaceToken(body, place, `${one.open.repeat(one.depth)}1${one.close.repeat(one.depth)}`);
  }
}

function splice(body: Buffer, place: number, length: number, insert: string | Buffer): Buffer {
  const middle = typeof insert === 'string' ? Buffer.from(insert) : insert;
  return Buffer.concat([body.subarray(0, place), middle, body.subarray(place + length)]);
}

/** Into the next text, so that it grows instead of breaking. */
function quoteAfter(body: Buffer, place: number): number {
  return body.indexOf('"', place) + 1;
}

/** Puts another value in the place of the first text or literal after `place`. */
function replaceToken(body: Buffer, place: number, text: string): Buffer {
  // One byte for each character, so that positions are the same in both.
  const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/u;
  const found = token.exec(body.toString('latin1', place, place + 4096));
  return found === null ? body : splice(body, place + found.index, found[0].length, text);
}
