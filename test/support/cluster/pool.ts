import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { markerVariable } from './identity.ts';

/** Where volumes are kept. */
export interface StoragePool {
  readonly folder: string;
  /** `xfs`: clones share blocks. `folder`: on whatever file system the temp folder has; the driver copies. */
  readonly kind: 'xfs' | 'folder';
}

/** Bytes that the pool may grow to; the file is sparse and starts at almost nothing. */
const size = 20 * 1024 ** 3;

/** An XFS file system with reflinks in a file, for root with mkfs.xfs; else a plain folder, and `log` is told why. */
export async function createPool(
  site: { readonly id: string; readonly state: string },
  log: (line: string) => void,
): Promise<StoragePool> {
  const folder = join(site.state, 'pool');
  mkdirSync(folder, { recursive: true });
  if (process.getuid?.() !== 0) {
    log('storage pool: a plain folder, as only root can mount');
    return { folder, kind: 'folder' };
  }
  try {
    await mountXfs(site, folder);
    return { folder, kind: 'xfs' };
  } catch (error) {
    log(
      `storage pool: a plain folder, as XFS could not be mounted (${error instanceof Error ? error.message.trim() : 'unknown'})`,
    );
    return { folder, kind: 'folder' };
  }
}

async function mountXfs(site: { readonly id: string; readonly state: string }, folder: string): Promise<void> {
  const image = join(site.state, 'pool.img');
  const file = await open(image, 'w');
  await file.truncate(size);
  await file.close();
  // Marked like everything that a cluster runs: a mount that is under way when we are killed is ended before it is looked for.
  const env = { ...process.env, [markerVariable]: site.id };
  const run = promisify(execFile);
  await run('mkfs.xfs', ['-q', '-m', 'reflink=1', image], { env });
  await run('mount', ['-o', 'loop,noatime', image, folder], { env });
}
