import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { busybox } from './requirements.ts';

const run = promisify(execFile);

/** For pods of tests: a shell and the usual commands, all of them busybox. `imagePullPolicy: Never`, as with every image here. */
export const toolImage = 'localhost/clonegate-test/tool:1';
/** What holds a pod's namespaces. It has nothing to do, so it sleeps. */
export const pauseImage = 'localhost/clonegate-test/pause:1';

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Makes both images without a container engine, as one archive in the form of `docker save`: the same layer under two names.
 * @returns path of the archive.
 */
export async function writeTestImages(folder: string): Promise<string> {
  const root = join(folder, 'root');
  await fillRoot(root);
  const layer = join(folder, 'layer.tar');
  await run('tar', [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-C',
    root,
    '-cf',
    layer,
    '.',
  ]);
  const digest = sha256(await readFile(layer));
  const images = [
    { name: toolImage, command: ['/bin/sh'] },
    { name: pauseImage, command: ['/bin/sleep', '2147483647'] },
  ];
  const manifest = await Promise.all(
    images.map(async ({ name, command }) => {
      const config = imageConfig(command, digest);
      const file = `${sha256(config)}.json`;
      await writeFile(join(folder, file), config);
      return { Config: file, RepoTags: [name], Layers: ['layer.tar'] };
    }),
  );
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(folder, 'images.tar');
  const files = ['manifest.json', ...manifest.map(({ Config }) => Config), 'layer.tar'];
  await run('tar', ['-C', folder, '-cf', archive, ...files]);
  await Promise.all([root, layer].map((path) => rm(path, { recursive: true })));
  return archive;
}

async function fillRoot(root: string): Promise<void> {
  const folders = ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'];
  await Promise.all(folders.map((name) => mkdir(join(root, name), { recursive: true })));
  await run('chmod', ['1777', join(root, 'tmp')]);
  await run('cp', ['-L', busybox(), join(root, 'bin/busybox')]);
  const { stdout } = await run(busybox(), ['--list']);
  const applets = stdout.trim().split('\n');
  await Promise.all(
    applets.filter((name) => name !== 'busybox').map((name) => symlink('busybox', join(root, 'bin', name))),
  );
}

function imageConfig(command: readonly string[], layer: string): string {
  return JSON.stringify({
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: command, WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    history: [{}],
  });
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
