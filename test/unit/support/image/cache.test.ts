import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { contextKey } from '../../../support/image/context.ts';
import { dropOld, markUsed } from '../../../support/image/old.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'image-cache-test-'));
  mkdirSync(join(root, 'image'));
  mkdirSync(join(root, 'test'));
  write('Dockerfile', 'FROM scratch');
  write('.dockerignore', '# words\n*\n!image\n!LICENSE\n');
  write('LICENSE', 'yes');
  write('image/tools.sh', 'exit');
  write('test/one.ts', 'a');
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (file: string, text: string): void => writeFileSync(join(root, file), text);

test.for<[string, () => void]>([
  ['the Dockerfile', () => write('Dockerfile', 'FROM other')],
  ['a file that goes into it', () => write('image/tools.sh', 'exit 0')],
  ['a new file beside it', () => write('image/new.ts', '')],
  ['that a file may be run', () => chmodSync(join(root, 'image/tools.sh'), 0o755)],
  ['what is let through', () => write('.dockerignore', '*\n!image\n')],
])('another image is another key: %s', ([, change]) => {
  const before = contextKey(root);
  change();
  expect(contextKey(root)).not.toBe(before);
});

test.for<[string, () => void]>([
  ['a test', () => write('test/one.ts', 'b')],
  ['the time of a file', () => utimesSync(join(root, 'LICENSE'), 1, 1)],
])('the same image is the same key: %s', ([, change]) => {
  const before = contextKey(root);
  change();
  expect(contextKey(root)).toBe(before);
});

test('an image that nobody has used for a day is removed, and nothing else', async () => {
  const now = Date.now();
  const old = ['image-0123456789abcdef', 'image-0123456789abcdef.lock', 'image-store', 'bin-0123456789abcdef'];
  const used = 'image-fedcba9876543210';
  for (const name of [...old, used]) {
    mkdirSync(join(root, name));
    await markUsed(join(root, name), new Date(now - (name === used ? 23 : 25) * 3_600_000));
  }
  await dropOld(root, now);
  expect([...old, used].filter((name) => existsSync(join(root, name)))).toEqual([
    'image-0123456789abcdef.lock',
    'image-store',
    'bin-0123456789abcdef',
    used,
  ]);
});
