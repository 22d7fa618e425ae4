import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import manifest from '../../../package.json' with { type: 'json' };
import { cached, cacheRoot, keyOfInputs } from '../cluster/cache.ts';
import { startProgress } from '../cluster/progress.ts';
import { run } from '../csi/command.ts';
import { ensurePackages, type Packages } from '../packages.ts';
import { allowed, checkout, contextKey } from './context.ts';
import { archive, type Facts, factsOf } from './layout.ts';
import { dropOld, markUsed } from './old.ts';
import { type Bases, ensureBases, type Recipe, readRecipe } from './stand-ins.ts';
import { openStore, type Store } from './store.ts';
import { tool } from './tool.ts';

/** Builds the image from the Dockerfile as it stands, without Docker and without a registry. */

/** What an image says of where it comes from; the defaults are the Dockerfile's. */
export interface Origin {
  /** The commit. */
  readonly revision: string;
  /** The commit's time, in seconds since 1970; also that of every file in the image that is ours. */
  readonly time: number;
}

export interface BuiltImage {
  readonly key: string;
  /** `localhost/clonegate:KEY`, by which the archive calls it. */
  readonly reference: string;
  /** A tar of an OCI layout. */
  readonly archive: string;
  /** What umoci has unpacked of it for runc: `rootfs` and `config.json`. */
  readonly unpacked: string;
  readonly facts: Facts;
}

export const builders: Packages = { buildah: 'buildah', umoci: 'umoci', mmdebstrap: 'mmdebstrap', runc: 'runc' };
const noOrigin: Origin = { revision: 'unknown', time: 0 };

/**
 * Builds it when nobody has yet from the same sources and with the same origin: a minute or two, and without an origin, as tests want it, some
 * ten seconds after a change of the sources alone.
 * @throws Error of one line when packages are missing or this is not root.
 */
export async function buildImage(origin = noOrigin, env = process.env): Promise<BuiltImage> {
  const root = cacheRoot(env);
  await ensurePackages('building the image without Docker', builders);
  if (process.getuid?.() !== 0)
    throw new Error('building the image without Docker needs root: use sudo, or `docker build .`');
  const recipe = await readRecipe();
  const key = keyOfInputs([contextKey(), recipe.key, origin.revision, String(origin.time)]);
  const reference = `localhost/clonegate:${key}`;
  const folder = await cached({
    root,
    name: `image-${key}`,
    make: async (folder) => await make(folder, { root, recipe, origin, reference }),
    onWait: (line) => process.stderr.write(`${line}\n`),
  });
  await markUsed(folder);
  const facts = JSON.parse(await readFile(join(folder, 'facts.json'), 'utf8')) as Facts;
  return { key, reference, archive: join(folder, 'image.tar'), unpacked: join(folder, 'unpacked'), facts };
}

interface Making {
  readonly root: string;
  readonly recipe: Recipe;
  readonly origin: Origin;
  readonly reference: string;
}

async function make(folder: string, { root, recipe, origin, reference }: Making): Promise<void> {
  const progress = startProgress('building the image (once)');
  const logFile = join(folder, 'log');
  const layout = join(folder, 'layout');
  const unpacked = join(folder, 'unpacked');
  try {
    await dropOld(root);
    // What a try that was interrupted has left.
    await Promise.all([layout, unpacked].map(async (path) => await rm(path, { recursive: true, force: true })));
    const store = openStore(join(root, 'image-store'));
    const bases = await ensureBases(store, recipe, join(root, 'image-store'), (what) => progress.now(what));
    progress.now('bundling the programs and gathering the tools');
    // buildah 1.28 takes a label out of an earlier build although the argument that stands in it is another one now.
    await buildInto(store, { bases, origin, reference, logFile, fresh: origin !== noOrigin });
    progress.now('packing');
    await pushOut(store, reference, layout, logFile);
    await writeFile(join(folder, 'facts.json'), JSON.stringify(await factsOf(layout)));
    await archive(layout, join(folder, 'image.tar'), logFile);
    await tool('umoci', ['unpack', '--image', `${layout}:${reference}`, unpacked], { logFile });
    await rm(layout, { recursive: true });
    progress.done('done');
  } catch (error) {
    progress.done('failed');
    throw error;
  }
}

/** Into a layout, and out of the store, which keeps the layers of the other stages for the next time. */
async function pushOut(store: Store, reference: string, layout: string, logFile: string): Promise<void> {
  await store.buildah(['push', reference, `oci:${layout}:${reference}`], logFile);
  await store.buildah(['rmi', reference], logFile);
}

/**
 * Builds it once more, out of a copy of the sources in another folder and with no layer of an earlier build; nothing of it is kept.
 * @returns what should be the same as of the first.
 */
export async function buildAgain(origin = noOrigin, env = process.env): Promise<Facts> {
  const images = join(cacheRoot(env), 'image-store');
  const store = openStore(images);
  const folder = await mkdtemp(join(images, 'again-'));
  const [context, layout, logFile] = ['context', 'layout', 'log'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const reference = `localhost/clonegate-again:${basename(folder)}`;
  try {
    for (const path of ['Dockerfile', '.dockerignore', ...allowed()])
      await cp(join(checkout, path), join(context, path), { recursive: true });
    const bases = await ensureBases(store, await readRecipe(), images, () => undefined);
    await buildInto(store, { bases, origin, reference, logFile, context, fresh: true });
    await pushOut(store, reference, layout, logFile);
    return await factsOf(layout);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export interface BuildOptions {
  readonly bases: Bases;
  readonly origin: Origin;
  readonly reference: string;
  readonly logFile: string;
  /** Folder of the sources; default this checkout. */
  readonly context?: string;
  /** Do everything again, and use no layer of an earlier build. */
  readonly fresh?: boolean;
}

/** From the Dockerfile of `context`. Every file has the same time, so equal sources give an equal image. */
export async function buildInto(store: Store, options: BuildOptions): Promise<void> {
  const { bases, origin, reference, logFile, context = checkout, fresh = false } = options;
  const created = new Date(origin.time * 1000).toISOString().replace('.000Z', 'Z');
  const args = { ...bases, VERSION: manifest.version, REVISION: origin.revision, CREATED: created };
  const given = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
  // What npm has downloaded once for this machine it need not download again.
  const volume = `--volume=${await run('npm', 'config', 'get', 'cache')}:/root/.npm`;
  const flags = [fresh ? '--no-cache' : '--layers', `--timestamp=${origin.time}`, volume, '--tag', reference];
  await store.buildah(['build', ...flags, ...given, context], logFile);
}
