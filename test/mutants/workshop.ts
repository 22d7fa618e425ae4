import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import type { Mutant } from './mutants.ts';

/** A temp folder with a copy of the program for each mutant, no larger than its tests need. */

export interface Workshop {
  readonly folder: string;
  /** Puts a copy into a folder of the name; the files that it has to have are all that the tests lead to. */
  add(name: string, tests: readonly string[], mutant?: Pick<Mutant, 'file' | 'text'>): void;
  /** Whether the test loads the file, directly or by way of others. */
  leadsTo(test: string, file: string): boolean;
  /** Takes a copy away. */
  drop(name: string): void;
  /** Takes all away. */
  remove(): void;
}

/** Runs before each test file; beside the copies. */
export const setup = 'setup.ts';

export function openWorkshop(root: string): Workshop {
  const folder = mkdtempSync(join(tmpdir(), 'clonegate-mutants-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  copyFileSync(join(import.meta.dirname, setup), join(folder, setup));
  const known = new Map<string, readonly string[]>();
  const importsOf = (file: string): readonly string[] => {
    const found = known.get(file) ?? pathsIn(readFileSync(join(root, file), 'utf8'), file);
    known.set(file, found);
    return found;
  };
  return {
    folder,
    add: (name, tests, mutant) => {
      const files = reachable(tests, importsOf);
      for (const file of files) copy(join(root, file), join(folder, name, file));
      if (mutant !== undefined) writeFileSync(join(folder, name, mutant.file), mutant.text());
    },
    leadsTo: (test, file) => reachable([test], importsOf).has(file),
    drop: (name) => rmSync(join(folder, name), { recursive: true, force: true }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

/** The files and all that they import, one leading to the next. */
function reachable(files: readonly string[], importsOf: (file: string) => readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [...files];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    open.push(...importsOf(file));
  }
  return found;
}

/** Files of ours that the text names: imports, and data that a test reads from beside it. */
function pathsIn(text: string, file: string): readonly string[] {
  const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/gu)].map(([, path = '']) => path);
  const read = [...text.matchAll(/import\.meta\.dirname, '([^']+\.(?:txt|json|yaml))'/gu)].map(([, path = '']) => path);
  return [...imported, ...read].map((path) => normalize(join(dirname(file), path)));
}
