import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { thirdParty } from './licences.ts';

/** Makes of the programs and of the packages that they use a few files that Node runs as they are. */

/** Packages that are CommonJS ask for Node's own modules by `require`, which a module does not have. */
const banner = `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);`;

export interface BundleOptions {
  /** Folder of the sources, with `node_modules` in it. */
  readonly root: string;
  /** Name → main file, relative to `root`. */
  readonly programs: Readonly<Record<string, string>>;
  /** Files that they read at run time, relative to `root`. */
  readonly data?: readonly string[];
  /** Made when it is not there; what else lies in it stays. */
  readonly to: string;
}

/**
 * Writes `<name>.mjs` for each program, what several share (or load only when they need it) into `chunks/`, the data, and `THIRD-PARTY.txt`.
 * Neither names nor lines are shortened: a stack trace is to be read without a map, and who looks up its line finds the name of the
 * source file above it.
 * @throws Error when a program or a licence text of a package cannot be found.
 */
export async function bundle({ root, programs, data = [], to }: BundleOptions): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { ...programs },
    outdir: to,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    // Names of sources, which are in the bundle, must not tell where node_modules lies when that is a link.
    preserveSymlinks: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    banner: { js: banner },
    // All of them, in full, are in THIRD-PARTY.txt.
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  await mkdir(to, { recursive: true });
  for (const file of data) await copyFile(join(root, file), join(to, basename(file)));
  await writeFile(join(to, 'THIRD-PARTY.txt'), await thirdParty(root, partsOf(metafile)));
  return metafile;
}

/** The sources of which something is in the bundle; many more were read on the way. */
function partsOf({ outputs }: Metafile): readonly string[] {
  const parts = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
  return parts.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([input]) => input);
}
