import type { Order } from '../arguments.ts';
import type { Context } from '../context.ts';
import { CopyError } from '../failure.ts';
import type { Reader } from '../reading.ts';
import { type OpenImage, openSource, reopenDirect } from './files.ts';
import { inspection, type SourceFacts, sizeFrom } from './plan.ts';

/** Where the bytes of a disk image come from. */
export interface ImageSource {
  /** Bytes. */
  readonly size: bigint;
  /** How qemu-img gets at it. */
  readonly facts: SourceFacts;
  /** Its open file, which qemu-img is to have; none when it is not in this pod. */
  readonly files: readonly number[];
  /**
   * Reads both again. @param destination open for reading, past the page cache where that can be.
   * @returns `sha256:…` of the source's bytes, which the destination has too. @throws CopyError when it has not.
   */
  verify(destination: OpenImage['file'], reader: Reader): Promise<string>;
  close(): Promise<void>;
}

/** The source in this pod. @throws CopyError when there is none, or something else in its place. */
export async function localSource({ sourceMode }: Order, context: Context): Promise<ImageSource> {
  const source = await openSource(context.paths.source, sourceMode);
  try {
    const size = await sizeOf(source, context);
    return {
      size,
      facts: source,
      files: [source.file.fd],
      verify: async (destination, reader) => await compare(source, destination, size, reader),
      close: async () => await source.file.close(),
    };
  } catch (error) {
    await source.file.close();
    throw error;
  }
}

async function compare(
  source: OpenImage,
  destination: OpenImage['file'],
  size: bigint,
  reader: Reader,
): Promise<string> {
  const { file } = await reopenDirect(source.file);
  try {
    const { digest, differsAt } = await reader.compare(file, destination, size);
    if (differsAt === undefined) return `sha256:${digest}`;
    throw new CopyError('CopyVerificationFailed', `the copy differs from the source from byte ${differsAt} on`);
  } finally {
    await file.close();
  }
}

/** In bytes; qemu-img knows that of a device, and rounds that of a file up to whole sectors. */
export async function sizeOf({ file, isDevice }: OpenImage, { tools }: Pick<Context, 'tools'>): Promise<bigint> {
  if (!isDevice) return (await file.stat({ bigint: true })).size;
  let json = '';
  await tools.run(inspection, {
    files: [file.fd],
    onOutput: (text) => {
      json += text;
    },
  });
  return sizeFrom(json);
}
