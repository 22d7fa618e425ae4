import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../../image/bundle.ts';
import { programs } from '../../../image/programs.ts';
import { allowed, checkout } from '../../support/image/context.ts';

/** The programs themselves, bundled. */

let folder: string;
let outputs: Awaited<ReturnType<typeof bundle>>['outputs'];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'clonegate-bundle-'));
  ({ outputs } = await bundle({ root: checkout, programs, to: join(folder, 'one') }));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Sources of the file and of everything that is loaded with it. */
function loadedWith(file: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const { inputs = {}, imports = [] } = outputs[file] ?? {};
  const needed = imports.filter(({ kind, external }) => kind === 'import-statement' && external !== true);
  return [...Object.keys(inputs), ...needed.flatMap(({ path }) => loadedWith(path, seen))];
}

describe('the bundle', () => {
  it.each(Object.entries(programs))('of %s loads client-node only when a kubeconfig is read', (name, main) => {
    const [file = ''] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === main) ?? [];
    expect(file).toMatch(new RegExp(`/${name}\\.mjs$`));
    const loaded = loadedWith(file);
    expect(loaded).toContain(main);
    expect(loaded.filter((source) => source.includes('@kubernetes/client-node'))).toEqual([]);
    const all = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
    expect(
      all.some((source) => source.includes('@kubernetes/client-node')),
      'it is there when it is needed',
    ).toBe(true);
  });

  it('comes out the same wherever it is made', async () => {
    const copy = join(folder, 'copy');
    for (const path of allowed()) cpSync(join(checkout, path), join(copy, path), { recursive: true });
    symlinkSync(join(checkout, 'node_modules'), join(copy, 'node_modules'));
    await bundle({ root: copy, programs, to: join(folder, 'two') });
    const files = readdirSync(join(folder, 'one'), { recursive: true, encoding: 'utf8' }).sort();
    expect(readdirSync(join(folder, 'two'), { recursive: true, encoding: 'utf8' }).sort()).toEqual(files);
    const differing = files
      .filter((file) => file.includes('.'))
      .filter((file) => !readFileSync(join(folder, 'one', file)).equals(readFileSync(join(folder, 'two', file))));
    expect(differing).toEqual([]);
  });
});
