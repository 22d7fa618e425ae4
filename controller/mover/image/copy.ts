import { open } from 'node:fs/promises';
import { qemuId } from '../../../shared/api/copy.ts';
import type { Order } from '../arguments.ts';
import type { Context, Copied } from '../context.ts';
import { fromErrno } from '../failure.ts';
import { createReader } from '../reading.ts';
import { type OpenImage, openDestination, reopenDirect, roomIn } from './files.ts';
import { conversion, progressIn, requireRoom, reservation, sizeWanted } from './plan.ts';
import { type ImageSource, sizeOf } from './source.ts';

/** Copies one disk image: a device or `disk.img` into a device or `disk.img`. */

/** @throws CopyError when it fails; what the destination then holds is of no use, and the next attempt begins anew. */
export async function copyImage(order: Order, context: Context, source: ImageSource): Promise<Copied> {
  const { size } = source;
  const room = order.destinationMode === 'Filesystem' ? await roomIn(context.paths.destination) : undefined;
  const wanted = sizeWanted(size, order.imageSize, room);
  if (room !== undefined) requireRoom(wanted, room.size, 'the file system of the destination');
  const destination = await openDestination(context.paths.destination, order.destinationMode);
  try {
    return await copyBetween(source, destination, wanted, order, context);
  } finally {
    await destination.file.close();
  }
}

/** @param wanted bytes that the destination is to have. */
async function copyBetween(
  source: ImageSource,
  destination: OpenImage,
  wanted: bigint,
  order: Order,
  context: Context,
): Promise<Copied> {
  const { log, meter, tools } = context;
  const { size, facts } = source;
  if (destination.isDevice) requireRoom(wanted, await sizeOf(destination, context), 'the device of the destination');
  else await prepare(destination, wanted, order, context);
  const command = conversion({ source: facts, destination, order });
  log.info({ args: command.args, bytes: String(size) }, 'Copying a disk image');
  const done = meter.begin('copying', size);
  let share = 0n;
  const tell = (): void => done((size * share) / 10_000n);
  tell();
  await tools.run(command, {
    files: [destination.file.fd, ...source.files],
    onOutput: (text) => {
      share = progressIn(text) ?? share;
      tell();
    },
    // It says nothing while it waits for a slow storage or for its limit.
    onTick: tell,
  });
  await settle(destination, wanted);
  if (!order.verify) return { bytes: size };
  return { bytes: size, digest: await verify(source, destination, order, context) };
}

/** Gives a new file its size, owner and mode, so that it is nobody else's for a moment. */
async function prepare(
  { file, path }: OpenImage,
  wanted: bigint,
  order: Order,
  { tools, log }: Context,
): Promise<void> {
  try {
    await file.chmod(0o660);
    await file.chown(qemuId, qemuId).catch((error: unknown) => {
      // Not root: then it belongs to whom this runs as, which is KubeVirt's user too unless somebody wanted otherwise.
      log.info({ err: error }, 'The disk image stays with the user and group of this process');
    });
    await file.truncate(Number(wanted));
  } catch (error) {
    throw fromErrno(error, `making ${path}`);
  }
  if (order.preallocation) await tools.run(reservation(wanted), { files: [file.fd] });
}

/** Brings everything to the storage; what could not be written there in the background fails here. */
async function settle({ file, path, isDevice }: OpenImage, wanted: bigint): Promise<void> {
  try {
    // qemu-img works in sectors of 512 bytes, and may have filled up the last one.
    if (!isDevice) await file.truncate(Number(wanted));
    await file.sync();
    if (!isDevice) await syncFolder(path.slice(0, path.lastIndexOf('/')));
  } catch (error) {
    throw fromErrno(error, `writing the last of ${path} to the storage`);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Reads both again, past the page cache. @returns `sha256:…` of the source's bytes, which the destination has too. */
async function verify(
  source: ImageSource,
  { file }: OpenImage,
  { bandwidth }: Order,
  { clock, signal, meter, log }: Context,
): Promise<string> {
  const onDone = meter.begin('verifying', source.size);
  const reader = createReader({ clock, signal, bandwidth, onDone });
  const again = await reopenDirect(file);
  try {
    log.info({ direct: again.direct }, 'Comparing the disk images');
    return await source.verify(again.file, reader);
  } finally {
    await again.file.close();
  }
}
