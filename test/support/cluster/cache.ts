import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { takeLock } from './lock.ts';

/** Where what takes long to make is kept: outside every checkout, so that a fresh clone finds it. */
export function cacheRoot(env: NodeJS.ProcessEnv): string {
  return env['CLONEGATE_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'clonegate');
}

/** A short name for everything that the content depends on. */
export function keyOfInputs(inputs: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
}

export interface Entry {
  readonly root: string;
  readonly name: string;
  /** Fills `folder`, which may hold what an interrupted try has left; `lockFd` is for child processes that must not run twice at once. */
  readonly make: (folder: string, lockFd: number) => Promise<void>;
  /** Told when another process is making it. */
  readonly onWait: (line: string) => void;
}

/**
 * The folder of that name, made when it is not there. It gets its name only when it is complete, so a build that was interrupted is
 * never taken for done; the next try goes on in the same half-made folder.
 */
export async function cached({ root, name, make, onWait }: Entry): Promise<string> {
  const folder = join(root, name);
  if (existsSync(folder)) return folder;
  await mkdir(root, { recursive: true });
  const lock = await takeLock(join(root, `${name}.lock`), () =>
    onWait(`waiting for another process that makes ${folder}`),
  );
  try {
    if (existsSync(folder)) return folder;
    const partial = `${folder}.partial`;
    await mkdir(partial, { recursive: true });
    await make(partial, lock.fd);
    await rename(partial, folder);
    return folder;
  } finally {
    lock.release();
  }
}
