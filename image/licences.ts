import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The packages that a bundle holds parts of, and the licences that come with them: all of them ask to be passed on with the code. */

interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

/**
 * One paragraph for each package, in the order of their names: name, version, licence, and all its licence files in full.
 * @param root folder that `inputs` are relative to. @param inputs files of the bundle, those of other folders than `node_modules` too.
 * @throws Error when a package has neither a licence file nor a licence in its package.json: nobody may pass that on.
 */
export async function thirdParty(root: string, inputs: readonly string[]): Promise<string> {
  const folders = [...new Set(inputs.flatMap((input) => packageFolder(input) ?? []))].sort();
  const paragraphs = await Promise.all(folders.map(async (folder) => await paragraph(join(root, folder))));
  return `Parts of these packages are in this folder's files.\n\n${paragraphs.join('\n')}`;
}

/** `node_modules/a/node_modules/@b/c` of `node_modules/a/node_modules/@b/c/lib/d.js`. */
export function packageFolder(input: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0];
}

async function paragraph(folder: string): Promise<string> {
  // Every package has one, and npm vouches for its form.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as PackageManifest;
  const files = (await readdir(folder)).filter((name) => /^(?:licen[cs]e|notice|copying)/i.test(name)).sort();
  if (files.length === 0 && manifest.license === undefined)
    throw new Error(`${folder} has no licence: it must not be part of a bundle`);
  const texts = await Promise.all(files.map(async (file) => (await readFile(join(folder, file), 'utf8')).trim()));
  const head = `${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})`;
  return ['-'.repeat(80), head, '', ...(texts.length > 0 ? texts : ['The package has no more to say.']), ''].join('\n');
}
