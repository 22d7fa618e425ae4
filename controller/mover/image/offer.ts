import { connect } from 'node:net';
import { join } from 'node:path';
import type { Order } from '../arguments.ts';
import type { Context } from '../context.ts';
import { CopyError } from '../failure.ts';
import type { Offer } from '../peer/offer.ts';
import { knock, patiently } from '../peer/patience.ts';
import { createPump } from '../peer/pump.ts';
import { relay } from '../peer/tunnel.ts';
import { createReader } from '../reading.ts';
import { openSource, reopenDirect } from './files.ts';
import { serving } from './plan.ts';
import { sizeOf } from './source.ts';

/** Milliseconds for qemu-nbd to listen. */
const patience = 10_000;

/** Has qemu-nbd hand out the disk image, to this program only. @throws CopyError when there is none, or qemu-nbd does not start. */
export async function offerImage(order: Order, context: Context): Promise<Offer> {
  const { clock, signal, paths, tools } = context;
  const source = await openSource(paths.source, order.sourceMode);
  try {
    const size = await sizeOf(source, context);
    const socket = join(paths.sockets, 'nbd');
    const over = endOf(tools.run(serving(source, socket), { files: [source.file.fd] }));
    over.catch(() => undefined);
    const listening = patiently(async () => await knock({ path: socket }), {
      clock,
      signal,
      within: patience,
      pause: 20,
    });
    await Promise.race([over, listening]);
    return {
      facts: { kind: 'image', size },
      over,
      relay: async (connection) => {
        const pump = createPump();
        await relay(connect({ path: socket, onread: pump.onread }), pump, connection);
      },
      content: async function* content() {
        const reader = createReader({ clock, signal, bandwidth: order.bandwidth, onDone: () => undefined });
        const { file } = await reopenDirect(source.file);
        try {
          for await (const mark of reader.marks(file, size, 'source')) yield { kind: 'mark', ...mark };
        } finally {
          await file.close();
        }
      },
      close: async () => await source.file.close(),
    };
  } catch (error) {
    await source.file.close();
    throw error;
  }
}

async function endOf(running: Promise<unknown>): Promise<never> {
  await running;
  throw new CopyError('CopyToolFailed', 'qemu-nbd ended, and nobody had told it to');
}
