import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.ts';
import { data, programs } from './programs.ts';

/** Bundles the programs into a folder, for the image: `node image/main.ts FOLDER`. */

const exitUsage = 2;

async function main([to, ...rest]: readonly string[]): Promise<void> {
  if (to === undefined || rest.length > 0) {
    process.stderr.write('usage: node image/main.ts FOLDER\n');
    process.exitCode = exitUsage;
    return;
  }
  await bundle({ root: fileURLToPath(new URL('..', import.meta.url)), programs, data, to });
}

await main(process.argv.slice(2));
