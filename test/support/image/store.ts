import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../csi/command.ts';
import { tool } from './tool.ts';

/** Where buildah keeps images and layers: in a folder of our own, apart from those that the machine's owner has. */
export interface Store {
  /** Runs buildah on it. @param logFile what it says is appended there. @throws Error with the end of that when it fails. */
  buildah(args: readonly string[], logFile: string): Promise<void>;
  has(reference: string): Promise<boolean>;
}

/** Of `statfs`: the kernel mounts no overlay upon an overlay, which is what a container's own root is. */
const overlayMagic = 0x794c7630;

export function openStore(folder: string): Store {
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary, { recursive: true });
  const driver = statfsSync(folder).type === overlayMagic ? 'vfs' : 'overlay';
  const storage = ['--root', join(folder, driver), '--runroot', join(folder, 'run'), '--storage-driver', driver];
  // No container runtime for what a build runs: it would want a cgroup of its own, and a build only needs another root.
  const env = { BUILDAH_ISOLATION: 'chroot', TMPDIR: temporary };
  return {
    buildah: async (args, logFile) => await tool('buildah', [...storage, ...args], { logFile, env }),
    has: async (reference) =>
      (await run('buildah', ...storage, 'images', '--format={{.Name}}:{{.Tag}}')).split('\n').includes(reference),
  };
}
