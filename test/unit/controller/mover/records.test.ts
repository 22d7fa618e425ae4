import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { createRecords } from '../../../../controller/mover/tree/records.ts';

const never = new Promise<string>(() => undefined);

test('records are hashed in their order, whichever content is read first', async () => {
  const late = Promise.withResolvers<string>();
  const records = createRecords(3);
  await records.add('a\0', late.promise);
  await records.add('b\0', Promise.resolve('2'));
  late.resolve('1');
  await records.settle();
  expect(records.digest()).toBe(createHash('sha256').update('a\u00001\0\nb\u00002\0\n').digest('hex'));
});

test('no more are begun than may be under way', async () => {
  const late = Promise.withResolvers<string>();
  const records = createRecords(2);
  await records.add('a\0', late.promise);
  let begun = false;
  const second = records.add('b\0', never).then(() => (begun = true));
  await Promise.resolve();
  expect(begun).toBe(false);
  late.resolve('1');
  await second;
});

test('of several that fail, the first in their order is told, and none is left behind', async () => {
  const late = Promise.withResolvers<string>();
  const records = createRecords(3);
  await records.add('a\0', late.promise);
  await records.add('b\0', Promise.reject(new Error('second')));
  late.reject(new Error('first'));
  await expect(records.settle()).rejects.toThrow('first');
  await records.abandon();
});
