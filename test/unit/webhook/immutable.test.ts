import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import { changedReserved, changedSpec } from '../../../webhook/immutable.ts';

const sized = (amount: unknown, kind = 'storage') => ({ [kind]: { resources: { requests: { storage: amount } } } });
const parsed = (text: string) => JSON.parse(text) as object;

describe('a spec is the same', () => {
  it.each<[string, unknown, unknown]>([
    ['when nothing changes', sized('1Gi'), sized('1Gi')],
    ['with its members in another order', { a: 1, b: 2 }, { b: 2, a: 1 }],
    ['with a size in another unit', sized('1Gi'), sized('1024Mi')],
    ['with a size of spec.pvc in another unit', sized('1Gi', 'pvc'), sized('1024Mi', 'pvc')],
    ['with a size as a number', sized('1Gi'), sized(1_073_741_824)],
    ['when it is no size, but the same text', sized('lots'), sized('lots')],
    ['when it is no object, but the same', 'x', 'x'],
    ['when there is none', undefined, undefined],
    [
      'with resources of any other shape',
      { pvc: { resources: { limits: 'x' } } },
      { pvc: { resources: { limits: 'x' } } },
    ],
    [
      'with a claim of any other shape',
      { pvc: 'x', storage: { resources: 'x' } },
      { pvc: 'x', storage: { resources: 'x' } },
    ],
    ['without a size', { storage: { volumeMode: 'Block' } }, { storage: { volumeMode: 'Block' } }],
    ['with null for limits', { pvc: { resources: { limits: null } } }, { pvc: { resources: { limits: null } } }],
  ])('%s', (_, before, after) => {
    expect(changedSpec(before, after)).toEqual([]);
  });
});

describe('a spec is another one', () => {
  it.each<[string, unknown, unknown, readonly string[]]>([
    ['with another size', sized('1Gi'), sized('2Gi'), ['spec.storage']],
    ['with a size that is no text any more', sized('1Gi'), sized(['1Gi']), ['spec.storage']],
    ['with another text that is no size', sized('lots'), sized('more'), ['spec.storage']],
    ['with something more', {}, { preallocation: true }, ['spec.preallocation']],
    ['with something less', { preallocation: true }, {}, ['spec.preallocation']],
    ['with several changes', { a: 1, b: 1, c: 1 }, { a: 2, b: 1, c: 2 }, ['spec.a', 'spec.c']],
    ['when it is gone', {}, undefined, ['spec']],
    ['when it was none', 'x', {}, ['spec']],
    ['with a name that objects inherit', {}, parsed('{"__proto__":{}}'), ['spec.__proto__']],
    ['without a name that objects inherit', parsed('{"__proto__":null}'), {}, ['spec.__proto__']],
    ['with another claim of no shape', { pvc: 'x' }, { pvc: 'y' }, ['spec.pvc']],
  ])('%s', (_, before, after, fields) => {
    expect(changedSpec(before, after)).toEqual(fields);
  });
});

describe('the annotations that only the controller changes', () => {
  const object = (own: unknown) => ({ metadata: { annotations: own } });
  const stamp = annotations.stamp;

  it.each<[string, object, object, readonly string[]]>([
    ['stay', object({ [stamp]: 'a', other: 'x' }), object({ [stamp]: 'a', other: 'y' }), []],
    ['change', object({ [stamp]: 'a' }), object({ [stamp]: 'b' }), [stamp]],
    ['appear', object({}), object({ [stamp]: '' }), [stamp]],
    ['go', object({ [stamp]: 'a' }), {}, [stamp]],
    ['are not there', {}, object(null), []],
  ])('%s', (_, before, after, keys) => {
    expect(changedReserved(before as Record<string, unknown>, after as Record<string, unknown>)).toEqual(keys);
  });
});
