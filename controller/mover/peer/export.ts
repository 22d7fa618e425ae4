import { once } from 'node:events';
import { isIP } from 'node:net';
import { podAddressVariable } from '../../../shared/api/copy.ts';
import type { Order } from '../arguments.ts';
import type { Context } from '../context.ts';
import { CopyError, fromErrno } from '../failure.ts';
import { offerImage } from '../image/offer.ts';
import { offerTree } from '../tree/offer.ts';
import { readKey } from './key.ts';
import { startServer } from './server.ts';

/** Hands the source out to the other pod of a copy, until this one is told to end. */

/**
 * @param address of this pod, from its environment. @param folder that the program's files are in.
 * @throws CopyError when the source cannot be handed out, or not any longer; the other pod is told of it as well.
 */
export async function exportSource(
  order: Order,
  context: Context,
  { address, folder }: { readonly address: string | undefined; readonly folder: string },
): Promise<void> {
  const { clock, log, signal } = context;
  if (address === undefined || isIP(address) === 0)
    throw new CopyError('CopyToolFailed', `${podAddressVariable} has to be the IP address of this pod`, {
      retry: false,
    });
  const key = await readKey(context.paths.keys);
  const offering = order.content === 'archive' ? offerTree(order, context, folder) : offerImage(order, context);
  // Whoever asks is told of its failure, and so is who waits for it below.
  offering.catch(() => undefined);
  const server = await startServer({ address, key, offering, clock, log });
  const ended = once(signal, 'abort');
  let reason = new CopyError('CopyPeerUnreachable', 'the export pod was told to end');
  try {
    const { facts, over } = await offering;
    log.info({ facts: { ...facts, ...sizesOf(facts) }, address }, 'Handing out the source');
    signal.throwIfAborted();
    await Promise.race([over, ended]);
  } catch (error) {
    if (signal.aborted) return;
    reason = fromErrno(error, 'handing out the source');
    throw error;
  } finally {
    await server.close(reason);
    await (await offering.catch(() => undefined))?.close();
  }
}

/** The log's JSON has no numbers as large as these. */
function sizesOf(facts: object): Readonly<Record<string, string>> {
  const sizes = Object.entries(facts).filter(([, value]) => typeof value === 'bigint');
  return Object.fromEntries(sizes.map(([name, value]) => [name, String(value)]));
}
