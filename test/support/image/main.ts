import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { checkout } from './context.ts';
import { type BuiltImage, buildAgain, buildImage, type Origin } from './index.ts';

/** `make image`: builds the image of this checkout and tells what to do with it; with --again, builds it twice and compares. */

/**
 * Of the last commit; an uncommitted change shows in the revision. SOURCE_DATE_EPOCH goes before the commit's time
 * (reproducible-builds.org/specs/source-date-epoch).
 * @throws Error when that is not a whole number, or this is no checkout.
 */
function originOf(folder: string, given = process.env['SOURCE_DATE_EPOCH']): Origin {
  if (given !== undefined && !/^\d+$/.test(given))
    throw new Error(`SOURCE_DATE_EPOCH is ${JSON.stringify(given)}; it must be whole seconds since 1970`);
  const git = (...args: readonly string[]): string =>
    execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trim();
  const dirty = git('status', '--porcelain') === '' ? '' : '-dirty';
  return { revision: git('rev-parse', 'HEAD') + dirty, time: Number(given ?? git('log', '-1', '--format=%ct')) };
}

function text({ reference, archive, facts }: BuiltImage): string {
  return `
image    ${reference}
digest   ${facts.digest}
size     ${(facts.size / 1e6).toFixed(1)} MB in ${facts.layers.length} layers, compressed
archive  ${archive}

It stands on bases made from Debian's packages and npm's Node, so that no registry is needed: right for tests, not for a release. With Docker
or podman, \`docker build .\` makes the same on the bases that the Dockerfile names. To use this one:

  skopeo copy oci-archive:${archive} docker://REGISTRY/clonegate:TAG
  ctr --namespace k8s.io images import ${archive}
  podman load --input ${archive}
`;
}

async function build(again: boolean): Promise<void> {
  const origin = originOf(checkout);
  const image = await buildImage(origin);
  process.stdout.write(text(image));
  if (!again) return;
  process.stderr.write('building it again, from a copy and from nothing\n');
  const { digest, layers } = await buildAgain(origin);
  const other = layers.filter((layer) => !image.facts.layers.includes(layer));
  if (digest !== image.facts.digest)
    throw new Error(`it came out as ${digest}; layers that differ: ${other.join(', ') || 'none'}`);
  process.stdout.write(`built again, the same: ${digest}\n`);
}

try {
  const { values } = parseArgs({ options: { again: { type: 'boolean', default: false } } });
  await build(values.again);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
