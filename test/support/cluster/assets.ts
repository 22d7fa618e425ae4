import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, cacheRoot, keyOfInputs } from './cache.ts';
import { go, toolsFolder } from './go.ts';

/** Files that come with the Go modules and that tests need; kept in the cache, so that later runs need no module cache. */
export interface Assets {
  /** The CustomResourceDefinitions of group snapshot.storage.k8s.io. */
  readonly snapshotCrds: readonly string[];
  /** Protocol definition of the Container Storage Interface. */
  readonly csiProto: string;
  /** Protocol by which a CSI driver makes itself known to a kubelet. */
  readonly registrationProto: string;
}

const snapshotModule = 'github.com/kubernetes-csi/external-snapshotter/client/v8';
const csiModule = 'github.com/container-storage-interface/spec';
const kubeletModule = 'k8s.io/kubelet';
const crdPrefix = 'snapshot.storage.k8s.io_';

/** Downloads the modules when nobody has yet. */
export async function ensureAssets(env = process.env): Promise<Assets> {
  const goSum = await readFile(join(toolsFolder, 'go.sum'), 'utf8');
  const folder = await cached({
    root: cacheRoot(env),
    name: `assets-${keyOfInputs([goSum])}`,
    make: copyAssets,
    onWait: (line) => process.stderr.write(`${line}\n`),
  });
  const names = await readdir(folder);
  return {
    snapshotCrds: names.filter((name) => name.startsWith(crdPrefix)).map((name) => join(folder, name)),
    csiProto: join(folder, 'csi.proto'),
    registrationProto: join(folder, 'registration.proto'),
  };
}

async function copyAssets(folder: string): Promise<void> {
  const [crds = '', csi = '', kubelet = ''] = await Promise.all(
    [snapshotModule, csiModule, kubeletModule].map(moduleFolder),
  );
  const crdFolder = join(crds, 'config/crd');
  const names = (await readdir(crdFolder)).filter((name) => name.startsWith(crdPrefix));
  await Promise.all(names.map((name) => copy(join(crdFolder, name), join(folder, name))));
  await copy(join(csi, 'csi.proto'), join(folder, 'csi.proto'));
  await copy(join(kubelet, 'pkg/apis/pluginregistration/v1/api.proto'), join(folder, 'registration.proto'));
}

/** Without a version, go takes the one that go.mod names. */
async function moduleFolder(path: string): Promise<string> {
  const answer = JSON.parse(await go(['mod', 'download', '-json', path])) as { readonly Dir: string };
  return answer.Dir;
}

/** Without the read-only mode of the module cache, which would be in the way of a second try. */
async function copy(from: string, to: string): Promise<void> {
  await writeFile(to, await readFile(from));
}
