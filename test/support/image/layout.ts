import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tool } from './tool.ts';

/** An OCI image layout in a folder (image-spec, image-layout.md). */

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Index {
  readonly manifests: readonly Descriptor[];
}

interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

interface Config {
  readonly config: { readonly Labels: Readonly<Record<string, string>> };
}

/** What OCI calls the image, and what containerd looks for first when it imports an archive. */
const refName = 'org.opencontainers.image.ref.name';
const containerdName = 'io.containerd.image.name';

export interface Facts {
  readonly digest: string;
  /** Digests of the layers, compressed, the base's first. */
  readonly layers: readonly string[];
  /** Bytes of the layers, compressed. */
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
}

export async function factsOf(layout: string): Promise<Facts> {
  const [first] = (await readJson<Index>(join(layout, 'index.json'))).manifests;
  if (first === undefined) throw new Error(`there is no image in ${layout}`);
  const { layers, config } = await readJson<Manifest>(blob(layout, first.digest));
  const { Labels: labels } = (await readJson<Config>(blob(layout, config.digest))).config;
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  return { digest: first.digest, layers: layers.map(({ digest }) => digest), size, labels };
}

/** Packs it into one file that skopeo reads as `oci-archive:` and containerd imports under the name that it has. */
export async function archive(layout: string, file: string, logFile: string): Promise<void> {
  const path = join(layout, 'index.json');
  const index = await readJson<Index>(path);
  const manifests = index.manifests.map(({ annotations = {}, ...rest }) => ({
    ...rest,
    annotations: { ...annotations, [containerdName]: annotations[refName] },
  }));
  await writeFile(path, JSON.stringify({ ...index, manifests }));
  const equal = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await tool('tar', ['--create', '--file', file, '--directory', layout, ...equal, '.'], { logFile });
}

function blob(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'));
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}
