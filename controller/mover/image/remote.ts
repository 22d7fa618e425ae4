import { copyPorts } from '../../../shared/api/copy.ts';
import type { Context } from '../context.ts';
import { CopyError } from '../failure.ts';
import type { Peer } from '../peer/client.ts';
import { knock, patiently } from '../peer/patience.ts';
import type { Reader } from '../reading.ts';
import type { OpenImage } from './files.ts';
import type { ImageSource } from './source.ts';

/** Milliseconds for the port of qemu-nbd, which listens already, to let us through: the other port did. */
const patience = 20_000;

/** The source in the export pod. @param size in bytes. @throws CopyError when there is no way to qemu-nbd. */
export async function remoteImage(
  size: bigint,
  peer: Peer,
  address: string,
  { clock, signal, paths }: Context,
): Promise<ImageSource> {
  const port = copyPorts.nbd;
  try {
    await patiently(async () => await knock(address, port), { clock, signal, within: patience, pause: 250 });
  } catch (error) {
    signal.throwIfAborted();
    const words = error instanceof Error ? error.message : String(error);
    throw new CopyError('CopyPeerUnreachable', `port ${port} of the export pod cannot be reached: ${words}`, {
      cause: error,
    });
  }
  return {
    size,
    facts: { address, keys: paths.keys },
    files: [],
    verify: async (destination, reader) => await compare(peer, destination, size, reader),
    close: async () => await Promise.resolve(),
  };
}

/** Each pod reads what it has; only digests go over the network, after every stretch, so that one that is wrong is found where it is. */
async function compare(peer: Peer, destination: OpenImage['file'], size: bigint, reader: Reader): Promise<string> {
  const theirs = peer.content();
  let [done, digest] = [0n, ''];
  for await (const ours of reader.marks(destination, size, 'destination')) {
    const mark = (await theirs.next()).value;
    if (mark?.kind !== 'mark' || mark.done !== ours.done)
      throw new CopyError('CopyPeerUnreachable', 'the export pod has read another image than it handed out');
    if (mark.digest !== ours.digest)
      throw new CopyError(
        'CopyVerificationFailed',
        `the copy differs from the source between bytes ${done} and ${ours.done}`,
      );
    ({ done, digest } = ours);
  }
  return `sha256:${digest}`;
}
