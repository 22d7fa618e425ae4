import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

/**
 * A lock between processes that ends with its holder, however that ends: flock(2) on an open file. Node has no call for it, but the
 * lock belongs to the open file and not to a process, so flock(1) can take it for us through an inherited descriptor. A child that
 * is given {@link Lock.fd} holds it too, until it ends.
 */
export interface Lock {
  readonly fd: number;
  release(): void;
}

/** Waits as long as it takes. @param onWait called once when somebody else has it. @throws Error when there is no flock(1). */
export async function takeLock(file: string, onWait: () => void): Promise<Lock> {
  const fd = openSync(file, 'a');
  try {
    if (!(await flock(fd, ['-n']))) {
      onWait();
      if (!(await flock(fd, []))) throw new Error(`could not lock ${file}`);
    }
    return { fd, release: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function flock(fd: number, options: readonly string[]): Promise<boolean> {
  const child = spawn('flock', [...options, '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code === 0;
  } catch (cause) {
    throw new Error('flock(1) is needed to build the control plane; it comes with util-linux', { cause });
  }
}
