import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const mebibyte = 1 << 20;

/**
 * Writes real bytes into a volume, as an installed disk would have them: some at its beginning, some in the middle, some up to its very
 * last byte, and nothing in between.
 * @param path the volume's backing file; @param size its bytes.
 */
export async function fillDisk(path: string, size: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    for (const [offset, length] of [
      [0, 32],
      [Math.floor(size / 2), 16],
      [size - 8 * mebibyte, 8],
    ] as const)
      await file.write(randomBytes(length * mebibyte), 0, length * mebibyte, offset);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What `sha256sum` prints for the files; one line each. */
export async function sha256sum(...paths: readonly string[]): Promise<string> {
  const { stdout } = await run('sha256sum', [...paths]);
  return stdout;
}
