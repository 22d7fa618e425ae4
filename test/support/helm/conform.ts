import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached, cacheRoot, keyOfInputs } from '../cluster/cache.ts';
import { go } from '../cluster/go.ts';
import { majors } from './binaries.ts';
import { chartFolder, renderText } from './chart.ts';
import { type Swagger, standaloneSchemas } from './schemas.ts';

/**
 * `make chart`: holds every mode of the chart against Kubernetes' published schemas by kubeconform, strictly. What the API server says of the
 * same objects is a test of its own; this one needs none, and reads every field by itself.
 */

const run = promisify(execFile);
const moduleFolder = join(import.meta.dirname, 'kubeconform');
/** Kinds whose definitions others bring. */
const foreign = ['Certificate', 'Issuer', 'ServiceMonitor', 'CustomResourceDefinition'];

interface Summary {
  readonly resources: readonly {
    readonly kind: string;
    readonly name: string;
    readonly msg: string;
    readonly status: string;
  }[];
  readonly summary: {
    readonly valid: number;
    readonly invalid: number;
    readonly errors: number;
    readonly skipped: number;
  };
}

async function ensureKubeconform(): Promise<string> {
  const texts = await Promise.all(['go.mod', 'go.sum'].map((file) => readFile(join(moduleFolder, file), 'utf8')));
  const version = (await go(['env', 'GOVERSION', 'GOOS', 'GOARCH'])).trim();
  const folder = await cached({
    root: cacheRoot(process.env),
    name: `kubeconform-${keyOfInputs([...texts, version])}`,
    make: async (to, lockFd) => {
      process.stderr.write('building kubeconform (once)\n');
      await go(['build', '-C', moduleFolder, '-trimpath', '-buildvcs=false', '-o', `${to}/`, 'tool'], { lockFd });
    },
    onWait: (line) => process.stderr.write(`${line}\n`),
  });
  return join(folder, 'kubeconform');
}

/** From the very version that the API server is built of. */
async function writeSchemas(folder: string): Promise<number> {
  const answer = JSON.parse(await go(['mod', 'download', '-json', 'k8s.io/kubernetes'])) as { readonly Dir: string };
  const swagger = JSON.parse(await readFile(join(answer.Dir, 'api/openapi-spec/swagger.json'), 'utf8')) as Swagger;
  const schemas = standaloneSchemas(swagger);
  for (const [name, schema] of schemas) await writeFile(join(folder, `${name}.json`), JSON.stringify(schema));
  return schemas.size;
}

async function conform(program: string, schemas: string, text: string): Promise<Summary> {
  const args = ['-strict', '-summary', '-output=json', `-skip=${foreign.join(',')}`];
  const location = `-schema-location=${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`;
  const running = run(program, [...args, location, '-'], { maxBuffer: 64 * 1024 * 1024 });
  running.child.stdin?.end(text);
  // It ends with 1 when something is not valid; what, is in its answer.
  const { stdout } = await running.catch((error: unknown) => error as { readonly stdout: string });
  return JSON.parse(stdout) as Summary;
}

async function main(): Promise<void> {
  const program = await ensureKubeconform();
  const folder = await mkdtemp(join(tmpdir(), 'clonegate-schemas-'));
  try {
    const count = await writeSchemas(folder);
    process.stdout.write(`kubeconform: ${count} schemas\n`);
    const misspelt = await conform(
      program,
      folder,
      'apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {prots: []}\n',
    );
    if (misspelt.summary.invalid !== 1) throw new Error('a misspelt field was not found');
    for (const file of (await readdir(join(chartFolder, 'ci'))).toSorted())
      for (const helm of majors)
        await check(program, folder, file, await renderText({ helm, files: [join(chartFolder, 'ci', file)] }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function check(program: string, schemas: string, file: string, text: string): Promise<void> {
  const { resources, summary } = await conform(program, schemas, text);
  const { valid, skipped } = summary;
  process.stdout.write(`kubeconform: ${file}: ${valid} valid, ${skipped} of kinds that others define\n`);
  const faults = resources.filter(({ status }) => status !== 'statusValid' && status !== 'statusSkipped');
  for (const { kind, name, msg } of faults) process.stdout.write(`  ${kind} ${name}: ${msg}\n`);
  if (faults.length > 0 || valid === 0) process.exitCode = 1;
}

await main();
