import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensurePackages, type Machine, missingPackages, thisMachine } from '../../support/packages.ts';

const packages = { runc: 'runc', 'qemu-utils': 'qemu-img' };

/** A Debian machine of root's with some files, on which installing a package brings the files it is said to bring. */
function machineWith(files: readonly string[], brings: Readonly<Record<string, string>> = packages) {
  const there = new Set(files);
  const installed: string[][] = [];
  const machine: Machine = {
    has: (file) => there.has(file),
    hasApt: true,
    root: true,
    install: async (names) => {
      installed.push([...names]);
      for (const name of names) there.add(brings[name] ?? '');
    },
  };
  return { machine, installed };
}

test('only what is missing is installed, and nothing when all is there', async () => {
  const { machine, installed } = machineWith(['runc']);
  await ensurePackages('a test', packages, machine);
  await ensurePackages('a test', packages, machine);
  expect(installed).toEqual([['qemu-utils']]);
});

test.for<[string, Partial<Machine>, string]>([
  [
    'is not root',
    { root: false },
    'a test needs qemu-utils (qemu-img); as root: apt-get install -y --no-install-recommends qemu-utils',
  ],
  [
    'is not Debian',
    { hasApt: false },
    'a test needs qemu-utils (qemu-img); there is no apt-get here: install what this system calls them',
  ],
  [
    'cannot reach the mirror',
    { install: async () => await Promise.reject(new Error('E: no route')) },
    'a test needs qemu-utils (qemu-img), and installing failed: E: no route',
  ],
])('where this %s, one line says what is missing', async ([, change, message]) => {
  const { machine } = machineWith(['runc']);
  await expect(ensurePackages('a test', packages, { ...machine, ...change })).rejects.toThrow(message);
});

test('a package that does not bring what is needed of it is an error', async () => {
  const { machine } = machineWith(['runc'], { 'qemu-utils': 'qemu-nbd' });
  await expect(ensurePackages('a test', packages, machine)).rejects.toThrow('there is still no qemu-utils');
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packages-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('programs are looked for in PATH, other files where they are', () => {
  const machine = thisMachine({ PATH: `/nowhere:${folder}` });
  writeFileSync(join(folder, 'tool'), '');
  mkdirSync(join(folder, 'folder'));
  const plugin = join(folder, 'plugin');
  const wanted = { a: 'tool', b: 'folder', c: plugin };
  expect(missingPackages(wanted, machine), 'a file that cannot be run is no program').toEqual(['a', 'b', 'c']);
  chmodSync(join(folder, 'tool'), 0o755);
  writeFileSync(plugin, '');
  expect(missingPackages(wanted, machine), 'nor is a folder').toEqual(['b']);
});
