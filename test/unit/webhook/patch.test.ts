import fc from 'fast-check';
import { apply_patch } from 'jsonpatch';
import { describe, expect, it } from 'vitest';
import { patchAnnotations, type WantedAnnotations } from '../../../webhook/patch.ts';

type Annotations = Readonly<Record<string, string>>;

function applied(current: Annotations | undefined, wanted: WantedAnnotations): unknown {
  const metadata = current === undefined ? { name: 'disk' } : { name: 'disk', annotations: current };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (apply_patch({ metadata }, [...patchAnnotations(current, wanted)]) as { metadata: unknown }).metadata;
}

describe('patchAnnotations', () => {
  it('makes the parent when there are no annotations yet', () => {
    expect(applied(undefined, { 'clonegate.io/stamp': 's' })).toEqual({
      name: 'disk',
      annotations: { 'clonegate.io/stamp': 's' },
    });
  });

  it('makes no parent for nothing', () => {
    expect(patchAnnotations(undefined, { 'clonegate.io/stamp': undefined })).toEqual([]);
  });

  it('adds, replaces and removes, and leaves the rest alone', () => {
    const current = { mine: 'kept', 'a/b': 'old', 'a/gone': 'x' };
    expect(applied(current, { 'a/b': 'new', 'a/added': 'y', 'a/gone': undefined })).toEqual({
      name: 'disk',
      annotations: { mine: 'kept', 'a/b': 'new', 'a/added': 'y' },
    });
  });

  it('has nothing to do when all is as wanted', () => {
    expect(patchAnnotations({ a: '1', b: '2' }, { a: '1', c: undefined })).toEqual([]);
  });

  it('escapes what JSON Pointer gives a meaning to', () => {
    expect(patchAnnotations({}, { 'x~1/y~': 'v' })).toEqual([
      { op: 'add', path: '/metadata/annotations/x~01~1y~0', value: 'v' },
    ]);
  });

  it('does not take what every object inherits for an annotation', () => {
    expect(patchAnnotations({}, { constructor: undefined, toString: 'x' })).toEqual([
      { op: 'add', path: '/metadata/annotations/toString', value: 'x' },
    ]);
  });

  it('always gives what is wanted, and nothing to do the second time', () => {
    // The library that applies the patch here finds no path for keys that objects inherit; ours are fixed names.
    const key = fc.string().filter((name) => !(name in {}));
    const texts = fc.dictionary(key, fc.string(), { noNullPrototype: true });
    const wishes = fc.dictionary(key, fc.option(fc.string(), { nil: undefined }), { noNullPrototype: true });
    fc.assert(
      fc.property(fc.option(texts, { nil: undefined }), wishes, (current, wanted) => {
        const result = applied(current, wanted) as { annotations?: Annotations };
        const now = result.annotations ?? {};
        for (const [name, value] of Object.entries(wanted)) expect(now[name]).toBe(value);
        for (const [name, value] of Object.entries(current ?? {})) if (!(name in wanted)) expect(now[name]).toBe(value);
        expect(patchAnnotations(result.annotations, wanted)).toEqual([]);
      }),
    );
  });
});
