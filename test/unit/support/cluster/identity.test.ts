import { expect, test } from 'vitest';
import { foldersOf, isId, newId } from '../../../support/cluster/identity.ts';
import { sweep } from '../../../support/cluster/sweep.ts';

test('no two clusters have the same id', () => {
  expect(newId('test')).not.toBe(newId('test'));
});

test('the id of a cluster is one', () => {
  expect(isId(newId('test'))).toBe(true);
});

test.for(['', 'Upper', 'a/b', '..', 'a b'])('a cluster cannot be called %j', (name) => {
  expect(() => newId(name)).toThrow(TypeError);
});

test.for(['', '..', '/', 'clonegate-', 'clonegate-../x', 'other-1'])('cleaning up after %j is refused', async (id) => {
  await expect(sweep(id)).rejects.toThrow(TypeError);
});

test('every folder of a cluster has its id in its path', () => {
  const id = newId('test');
  expect(Object.values(foldersOf(id)).every((folder: string) => folder.includes(id))).toBe(true);
});
