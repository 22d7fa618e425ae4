import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openRecords } from '../../../support/csi/records.ts';
import { temporaryFolder } from './temp.ts';

interface Thing {
  readonly color: string;
}

test('what was created is found by a later start', async () => {
  const folder = await temporaryFolder();
  const records = await openRecords<Thing>(folder);
  await records.create('a', { color: 'red' }, (path) => writeFile(path, 'bytes'));

  const reopened = await openRecords<Thing>(folder);
  expect(await reopened.get('a')).toEqual({ color: 'red' });
  expect(await readFile(reopened.file('a'), 'utf8')).toBe('bytes');
});

test('a backing file has its name only when it is filled', async () => {
  const folder = await temporaryFolder();
  const records = await openRecords<Thing>(folder);
  let during: readonly string[] = [];
  await records.create('a', { color: 'red' }, async (path) => {
    await writeFile(path, 'half of the by');
    during = await readdir(folder);
  });
  expect(during).toEqual(['a.partial']);
  expect((await readdir(folder)).toSorted()).toEqual(['a', 'a.json']);
});

test('nothing stays of a thing whose bytes could not be made', async () => {
  const folder = await temporaryFolder();
  const records = await openRecords<Thing>(folder);
  const failing = records.create('a', { color: 'red' }, async (path) => {
    await writeFile(path, 'half');
    throw new Error('disk full');
  });
  await expect(failing).rejects.toThrow('disk full');
  expect(await readdir(folder)).toEqual([]);
  expect(await records.get('a')).toBeUndefined();
});

test.each([
  ['while filling', ['b.partial']],
  ['between the bytes and the metadata', ['b']],
  ['while writing the metadata', ['b', 'b.json.0a1b.tmp']],
  ['while replacing the metadata of something else', ['a.json.0a1b.tmp']],
])('a start clears away what a program killed %s left, and nothing else', async (_, leftovers) => {
  const folder = await temporaryFolder();
  const records = await openRecords<Thing>(folder);
  await records.create('a', { color: 'red' }, (path) => writeFile(path, 'bytes'));
  for (const name of leftovers) await writeFile(join(folder, name), 'left');

  const reopened = await openRecords<Thing>(folder);
  expect(await reopened.list()).toEqual([{ color: 'red' }]);
  expect((await readdir(folder)).toSorted()).toEqual(['a', 'a.json']);
});

test('they are listed in the order of their ids', async () => {
  const records = await openRecords<Thing>(await temporaryFolder());
  for (const id of ['b', 'c', 'a']) await records.create(id, { color: id }, (path) => writeFile(path, ''));
  expect(await records.list()).toEqual([{ color: 'a' }, { color: 'b' }, { color: 'c' }]);
});

test('removing twice is no error', async () => {
  const folder = await temporaryFolder();
  const records = await openRecords<Thing>(folder);
  await records.create('a', { color: 'red' }, (path) => writeFile(path, 'bytes'));
  await records.remove('a');
  await records.remove('a');
  expect(await readdir(folder)).toEqual([]);
});
