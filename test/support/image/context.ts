import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout that this file is in. */
export const checkout = fileURLToPath(new URL('../../../', import.meta.url));

/** What a builder is given of the checkout: the paths that .dockerignore lets through. */
export function allowed(root = checkout): readonly string[] {
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
}

/** Short for all that the image is made of: names, contents and modes, and nothing that a second checkout would have otherwise. */
export function contextKey(root = checkout): string {
  const hash = createHash('sha256');
  for (const file of ['Dockerfile', '.dockerignore', ...allowed(root)].flatMap((path) => filesIn(root, path)).sort()) {
    const path = join(root, file);
    const executable = (statSync(path).mode & 0o100) !== 0;
    hash.update(JSON.stringify([file, executable, readFileSync(path, 'base64')]));
  }
  return hash.digest('hex').slice(0, 16);
}

function filesIn(root: string, path: string): readonly string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  const entries = readdirSync(join(root, path), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(join(root, '/').length));
}
