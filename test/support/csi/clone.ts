import { constants } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import { isErrno } from './errors.ts';

/** `reflink` shares the blocks and costs nothing; `copy` reads and writes every byte that is not a hole. */
export type CloneMethod = 'reflink' | 'copy';

// What ioctl(FICLONE) answers on file systems without reflinks; any other error is a real one.
const NO_REFLINK = ['ENOTSUP', 'EOPNOTSUPP', 'ENOTTY', 'ENOSYS', 'EINVAL'];

/** Finds out by trying whether files in this folder can be cloned by reflink. */
export async function detectCloneMethod(folder: string): Promise<CloneMethod> {
  const scratch = await mkdtemp(join(folder, '.reflink-'));
  try {
    await writeFile(join(scratch, 'from'), 'x'.repeat(4096));
    await cloneFile('reflink', join(scratch, 'from'), join(scratch, 'to'));
    return 'reflink';
  } catch (error) {
    if (NO_REFLINK.some((code) => isErrno(error, code))) return 'copy';
    throw error;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** Makes `to` a file with the bytes that `from` has now; later writes to either do not show in the other. */
export async function cloneFile(method: CloneMethod, from: string, to: string): Promise<void> {
  if (method === 'reflink') return copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
  // Node's own copy would write the holes out; cp keeps them, and a volume of 10 GiB with 1 MiB in it stays 1 MiB.
  await run('cp', '--sparse=always', '--reflink=never', '--', from, to);
}
