import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bundle } from '../../../image/bundle.ts';
import { packageFolder } from '../../../image/licences.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bundle-test-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

/** A package in the CommonJS way, as many still are. */
function writePackage(name: string, manifest: object, files: Readonly<Record<string, string>> = {}): void {
  write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.2.3', ...manifest }));
  write(`node_modules/${name}/index.js`, `exports.read = (file) => require('node:fs').readFileSync(file, 'utf8');`);
  for (const [file, text] of Object.entries(files)) write(`node_modules/${name}/${file}`, text);
}

const program = `
  import { read } from 'reader';
  function openTheDoor(): never { throw new Error(read(process.argv[1] ?? '').length > 0 ? 'shut' : 'empty'); }
  try { openTheDoor(); } catch (error) { console.log((error as Error).stack); }`;

test('what throws can be found in the stack trace, and CommonJS packages work', async () => {
  write('main.ts', program);
  writePackage('reader', { license: 'MIT' });
  await bundle({ root, programs: { door: 'main.ts' }, to: join(root, 'out') });
  const said = execFileSync(process.execPath, [join(root, 'out/door.mjs')], { encoding: 'utf8' });
  expect(said).toMatch(/^Error: shut\n\s+at openTheDoor /);
  expect(readFileSync(join(root, 'out/door.mjs'), 'utf8')).toContain('// main.ts');
});

test('licences of packages go with it, in full', async () => {
  write('main.ts', program);
  writePackage('reader', { license: 'MIT' }, { 'LICENSE.md': 'Do as you like.', NOTICE: 'By somebody.' });
  writePackage('unused', {});
  await bundle({ root, programs: { door: 'main.ts' }, to: join(root, 'out') });
  const text = readFileSync(join(root, 'out/THIRD-PARTY.txt'), 'utf8');
  expect(text).toContain('reader 1.2.3 (MIT)\n\nDo as you like.\nBy somebody.');
  expect(text).not.toContain('unused');
});

test('a package that nobody may pass on is refused', async () => {
  write('main.ts', program);
  writePackage('reader', {});
  const making = bundle({ root, programs: { door: 'main.ts' }, to: join(root, 'out') });
  await expect(making).rejects.toThrow('node_modules/reader has no licence: it must not be part of a bundle');
});

test.for([
  ['node_modules/fastify/lib/route.js', 'node_modules/fastify'],
  ['node_modules/@fastify/error/index.js', 'node_modules/@fastify/error'],
  ['node_modules/a/node_modules/@b/c/lib/d.js', 'node_modules/a/node_modules/@b/c'],
  ['webhook/main.ts', undefined],
] as const)('%s is a file of %s', ([file, folder]) => {
  expect(packageFolder(file)).toBe(folder);
});
