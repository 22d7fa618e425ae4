import { CopyError } from '../failure.ts';
import type { Peer } from '../peer/client.ts';
import type { Reader } from '../reading.ts';
import type { OpenImage } from './files.ts';
import type { ImageSource } from './source.ts';

/** The source in the export pod. @param size in bytes. @param port on this machine from which connections lead to its qemu-nbd. */
export function remoteImage(size: bigint, peer: Peer, port: number): ImageSource {
  return {
    size,
    facts: { port },
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
