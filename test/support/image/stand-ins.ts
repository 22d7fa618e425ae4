import { existsSync, realpathSync } from 'node:fs';
import { copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keyOfInputs } from '../cluster/cache.ts';
import { takeLock } from '../cluster/lock.ts';
import { run } from '../csi/command.ts';
import type { Store } from './store.ts';
import { tool } from './tool.ts';

/** The images that the Dockerfile builds on, by the arguments it takes them from. */
export interface Bases {
  readonly BUILD_IMAGE: string;
  readonly TOOLS_IMAGE: string;
  readonly RUN_IMAGE: string;
}

/** What they are made from: the release of Debian that this machine has, from where this machine gets it, and this Node. */
export interface Recipe {
  readonly key: string;
  /** Lines of a sources.list. */
  readonly sources: string;
  readonly suite: string;
}

const dockerfile = fileURLToPath(new URL('./stand-ins.Dockerfile', import.meta.url));
/** What distroless's image has under Node, as far as our programs could notice. */
const bare = ['base-files', 'netbase', 'tzdata', 'libc6', 'libgcc-s1', 'libstdc++6'];
const machineCertificates = '/etc/ssl/certs/ca-certificates.crt';

/** @throws Error when apt here knows no Debian. */
export async function readRecipe(): Promise<Recipe> {
  const format = 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)';
  const told = await run('apt-get', 'indextargets', '--format', format, 'Identifier: Packages', 'ORIGIN: Debian');
  const sources = [...new Set(told.split('\n'))].sort().join('\n');
  // The one without `-updates` or `-security` behind its name.
  const suite = /^deb \S+ ([a-z]+) main$/m.exec(sources)?.[1];
  if (suite === undefined)
    throw new Error(`apt knows no release of Debian here; run apt-get update (it told: ${sources})`);
  const text = await readFile(dockerfile, 'utf8');
  const key = keyOfInputs([text, sources, process.version, arch(), (await npmVersion()) ?? '', ...bare]);
  return { key, sources, suite };
}

/** Makes them when the store does not have them; half a minute. */
export async function ensureBases(
  store: Store,
  recipe: Recipe,
  folder: string,
  onStep: (what: string) => void,
): Promise<Bases> {
  const tag = (target: string): string => `localhost/clonegate-${target}:${recipe.key}`;
  const targets = ['build', 'tools', 'run'];
  const lock = await takeLock(join(folder, 'stand-ins.lock'), () =>
    onStep('waiting for another process that makes the bases'),
  );
  try {
    const has = await Promise.all(targets.map((target) => store.has(tag(target))));
    if (has.includes(false)) await make(store, recipe, { folder, targets, tag, onStep });
  } finally {
    lock.release();
  }
  return { BUILD_IMAGE: tag('build'), TOOLS_IMAGE: tag('tools'), RUN_IMAGE: tag('run') };
}

interface Making {
  readonly folder: string;
  readonly targets: readonly string[];
  readonly tag: (target: string) => string;
  readonly onStep: (what: string) => void;
}

async function make(store: Store, recipe: Recipe, { folder, targets, tag, onStep }: Making): Promise<void> {
  // Of a fixed name, under the lock: what a try that was killed has left goes with the next one.
  const context = join(folder, 'stand-ins.partial');
  const logFile = join(context, 'log');
  await rm(context, { recursive: true, force: true });
  await mkdir(context);
  try {
    onStep('unpacking Debian for the bases');
    await writeFile(join(context, 'sources.list'), recipe.sources);
    const debootstrap = async (variant: string, to: string, ...more: readonly string[]): Promise<void> =>
      await tool('mmdebstrap', [`--variant=${variant}`, ...more, recipe.suite, to, 'sources.list'], {
        cwd: context,
        logFile,
      });
    await debootstrap('apt', 'debian.tar');
    await debootstrap('extract', 'bare.tar', `--include=${bare.join(',')}`);
    await copyFile(process.execPath, join(context, 'node'));
    await cp(npmFolder(), join(context, 'npm'), { recursive: true });
    await (existsSync(machineCertificates)
      ? copyFile(machineCertificates, join(context, 'ca-certificates.crt'))
      : writeFile(join(context, 'ca-certificates.crt'), ''));
    for (const target of targets) {
      onStep(`packing the base "${target}"`);
      const what = ['--file', dockerfile, '--target', target, '--timestamp=0', '--tag', tag(target), context];
      await store.buildah(['build', ...what], logFile);
    }
  } finally {
    await rm(context, { recursive: true });
  }
}

/** The package of the npm that is in PATH, as `bin/npm-cli.js` lies in it. */
function npmFolder(): string {
  const found = (process.env['PATH'] ?? '')
    .split(':')
    .map((folder) => join(folder, 'npm'))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error('npm is missing: install Node.js 20 or newer, which brings it');
  return dirname(dirname(realpathSync(found)));
}

async function npmVersion(): Promise<string | undefined> {
  const manifest = JSON.parse(await readFile(join(npmFolder(), 'package.json'), 'utf8')) as {
    readonly version?: string;
  };
  return manifest.version;
}
