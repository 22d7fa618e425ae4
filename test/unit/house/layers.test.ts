import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Who may import whom (CONTRIBUTING.md, "The house"). A room not named here is unknown, and that is an error too. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'shared/api': ['shared/api'],
  'shared/decision': ['shared/decision', 'shared/api'],
  'shared/process': ['shared/process', 'shared/api'],
  'shared/kube': ['shared/kube', 'shared/process', 'shared/api'],
  'shared/trust': ['shared/trust', 'shared/kube', 'shared/process', 'shared/api'],
  certs: ['certs', 'shared'],
  webhook: ['webhook', 'certs', 'shared'],
  // A program of its own, in an image of its own; before the room around it, which is found by the same prefix.
  'controller/mover': ['controller/mover', 'shared/api', 'shared/process'],
  controller: ['controller', 'shared'],
  // What an uninstall leaves to be cleaned up is what the controller cleans up, by the same code.
  hooks: ['hooks', 'controller', 'shared'],
  // It bundles the others by their names and imports none.
  image: ['image'],
};

/** The pure middle: these read no clock, no network, no file and no environment. */
const pure = ['shared/api/', 'shared/decision/'];

const root = join(import.meta.dirname, '../../..');
const files = globSync('{shared,certs,webhook,controller,hooks,image}/**/*.ts', { cwd: root });

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?<!')\b(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, path]) => path ?? '');
}

function roomOf(file: string): string {
  return Object.keys(allowed).find((room) => file.startsWith(`${room}/`)) ?? 'no room';
}

describe('the layers of the house', () => {
  it('sees the house', () => {
    expect(files.length).toBeGreaterThan(20);
  });

  it.each(files)('%s imports only what its room may', (file) => {
    const room = roomOf(file);
    expect(room, 'every file lives in a room').not.toBe('no room');
    const own = importsOf(file).filter((path) => path.startsWith('.'));
    // package.json is data: programs read their version from it.
    const targets = own.map((path) => normalize(join(dirname(file), path)));
    const wrong = targets.filter(
      (target) => target !== 'package.json' && !allowed[room]?.some((other) => target.startsWith(`${other}/`)),
    );
    expect(wrong).toEqual([]);
  });

  it.each(files.filter((file) => pure.some((room) => file.startsWith(room))))('%s is pure', (file) => {
    expect(importsOf(file).filter((path) => !path.startsWith('.'))).toEqual([]);
    expect(readFileSync(join(root, file), 'utf8')).not.toMatch(
      /\b(?:Date\.now|new Date\(\)|Math\.random|process\.|fetch\()/,
    );
  });

  it('has no file that leads back to itself, not even for a type', () => {
    const targets = new Map(
      files.map((file) => [
        file,
        importsOf(file).flatMap((path) => (path.startsWith('.') ? [normalize(join(dirname(file), path))] : [])),
      ]),
    );
    const reached = (from: string): ReadonlySet<string> => {
      const seen = new Set<string>();
      const left = [...(targets.get(from) ?? [])];
      for (let file = left.pop(); file !== undefined; file = left.pop()) {
        if (seen.has(file)) continue;
        seen.add(file);
        left.push(...(targets.get(file) ?? []));
      }
      return seen;
    };
    expect(files.filter((file) => reached(file).has(file))).toEqual([]);
  });

  it('only names the API server in the room that speaks to it', () => {
    const speakers = files.filter((file) =>
      importsOf(file).some((path) => path === 'undici' || path === '@kubernetes/client-node'),
    );
    expect(speakers.filter((file) => roomOf(file) !== 'shared/kube')).toEqual([]);
  });
});
