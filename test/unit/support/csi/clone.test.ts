import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cloneFile, detectCloneMethod } from '../../../support/csi/clone.ts';
import { temporaryFolder } from './temp.ts';

const MIB = 1024 ** 2;

test('a copy has the bytes of its source and keeps its holes', async () => {
  const folder = await temporaryFolder();
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  const content = randomBytes(MIB);
  const file = await open(from, 'w');
  await file.truncate(64 * MIB);
  await file.write(content, 0, MIB, 32 * MIB);
  await file.close();

  await cloneFile('copy', from, to);
  const copied = await readFile(to);
  expect(copied.length).toBe(64 * MIB);
  expect(copied.subarray(32 * MIB, 33 * MIB).equals(content)).toBe(true);
  expect((await stat(to)).blocks * 512).toBeLessThan(2 * MIB);
});

test('the method found for a folder works there, and finding it leaves nothing behind', async () => {
  const folder = await temporaryFolder();
  const method = await detectCloneMethod(folder);
  expect(await readdir(folder)).toEqual([]);
  const file = await open(join(folder, 'from'), 'w');
  await file.write('bytes');
  await file.close();
  await cloneFile(method, join(folder, 'from'), join(folder, 'to'));
  expect(await readFile(join(folder, 'to'), 'utf8')).toBe('bytes');
});

test('a folder that cannot be written to is an error, not a file system without reflinks', async () => {
  await expect(detectCloneMethod(join(await temporaryFolder(), 'missing'))).rejects.toMatchObject({ code: 'ENOENT' });
});
