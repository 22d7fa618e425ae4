import { mkdir, rmdir, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { status } from '@grpc/grpc-js';
import { CommandError, run } from './command.ts';
import { CsiError, isErrno } from './errors.ts';
import { isMounted } from './mounttable.ts';

const FILE_SYSTEMS = ['ext4', 'xfs'] as const;
type FileSystem = (typeof FILE_SYSTEMS)[number];

/** @throws CsiError INVALID_ARGUMENT when the driver cannot make such a file system. */
export function fileSystemFor(fsType: string): FileSystem {
  const known = FILE_SYSTEMS.find((name) => name === (fsType || 'ext4'));
  if (known !== undefined) return known;
  throw new CsiError(status.INVALID_ARGUMENT, `fs_type ${fsType} is not one of ${FILE_SYSTEMS.join(', ')}`);
}

/** Mounts a device, making a file system of the wanted kind first when there is none on it yet. */
export async function mountDevice(device: string, target: string, wanted: FileSystem, flags: readonly string[]) {
  const found = await fileSystemOn(device);
  if (found === undefined) await makeFileSystem(device, wanted);
  // ext4 grows only while it is not mounted: the kernel wants CAP_SYS_RESOURCE for growing it online, which root in a
  // container often lacks. So a clone that is larger than its source grows here, and xfs, the other way round, below.
  else if (found === 'ext4') await growUnmountedExt4(device);
  const fsType = found ?? wanted;
  // A clone has the UUID of its source, and xfs refuses to mount two file systems of one UUID unless told to.
  const options = ['noatime', ...(fsType === 'xfs' ? ['nouuid'] : []), ...flags].join(',');
  await mkdir(target, { recursive: true });
  await run('mount', '-t', fsType, '-o', options, device, target);
  if (found === 'xfs') await run('xfs_growfs', target);
}

/**
 * Grows a mounted file system to the size of its device.
 * @throws CsiError FAILED_PRECONDITION when it cannot be grown while mounted here; staging it anew grows it then.
 */
export async function growMounted(device: string, target: string): Promise<void> {
  const fsType = await fileSystemOn(device);
  try {
    if (fsType === 'xfs') await run('xfs_growfs', target);
    else if (fsType === 'ext4') await run('resize2fs', device);
  } catch (error) {
    throw new CsiError(
      status.FAILED_PRECONDITION,
      `${fsType} at ${target} cannot be grown while it is mounted; it grows the next time it is staged: ${String(error)}`,
    );
  }
}

/** Makes what is at `from` appear at `target`, a folder on a folder or a device on a file. Nothing happens twice. */
export async function bind(from: string, target: string, kind: 'folder' | 'file', readonly: boolean): Promise<void> {
  if (await isMounted(target)) return;
  await mkdir(kind === 'folder' ? target : dirname(target), { recursive: true });
  if (kind === 'file') await writeFile(target, '', { flag: 'a' });
  await run('mount', '--bind', from, target);
  // The kernel ignores `ro` while it makes a bind mount and takes it only afterwards.
  if (readonly) await run('mount', '-o', 'remount,bind,ro', target);
}

/** Unmounts whatever is at this path, layer by layer. */
export async function unmount(target: string): Promise<void> {
  while (await isMounted(target)) await run('umount', target);
}

/** Unmounts and removes a target that `bind` made; it may be gone already. */
export async function unbind(target: string): Promise<void> {
  await unmount(target);
  try {
    await unlink(target).catch((error: unknown) => {
      // unlink(2) on a folder: EISDIR on Linux.
      if (!isErrno(error, 'EISDIR')) throw error;
      return rmdir(target);
    });
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** What is on a device. blkid ends with 2 when it finds nothing it knows. */
async function fileSystemOn(device: string): Promise<string | undefined> {
  try {
    return await run('blkid', '-p', '-o', 'value', '-s', 'TYPE', device);
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 2) return undefined;
    throw error;
  }
}

async function makeFileSystem(device: string, fsType: FileSystem): Promise<void> {
  // nodiscard and lazy tables: the backing file is sparse already, and writing the tables out would only fill it.
  if (fsType === 'xfs') await run('mkfs.xfs', '-q', '-K', device);
  else await run('mkfs.ext4', '-q', '-E', 'nodiscard,lazy_itable_init=1', device);
}

async function growUnmountedExt4(device: string): Promise<void> {
  try {
    await run('e2fsck', '-f', '-p', device);
  } catch (error) {
    // Exit code 1 says that errors were found and corrected: all is well.
    if (!(error instanceof CommandError) || error.exitCode !== 1) throw error;
  }
  await run('resize2fs', device);
}
