import { copyPort } from '../../../shared/api/copy.ts';
import type { Order } from '../arguments.ts';
import type { Context, Copied } from '../context.ts';
import { CopyError } from '../failure.ts';
import { copyImage } from '../image/copy.ts';
import { remoteImage } from '../image/remote.ts';
import { createTools } from '../tools.ts';
import { copyTree } from '../tree/copy.ts';
import { remoteTree } from '../tree/remote.ts';
import { connectPeer, type Peer } from './client.ts';
import { readKey } from './key.ts';
import { knock } from './patience.ts';
import { openTunnel } from './tunnel.ts';

/** Copies what another pod hands out. */

/** @throws CopyError when it fails; where the other pod is the cause, with what it says of it. */
export async function importSource(order: Order, context: Context): Promise<Copied> {
  const { clock, log, paths, signal } = context;
  const key = await readKey(paths.keys);
  const peer = await connectPeer({ address: order.peer, key, clock, signal, log });
  try {
    // Whatever is under way ends when the other pod does.
    const both = AbortSignal.any([signal, peer.lost]);
    return await copyFrom(peer, order, { ...context, signal: both, tools: createTools(both, clock) });
  } catch (error) {
    throw await causeOf(error, peer, order, context);
  } finally {
    peer.close();
  }
}

/** Content type of what an export pod hands out, by kind. */
const contents = { image: 'kubevirt', tree: 'archive' } as const;

async function copyFrom(peer: Peer, order: Order, context: Context): Promise<Copied> {
  const facts = await peer.facts();
  if (contents[facts.kind] !== order.content)
    throw new CopyError('CopyToolFailed', `the export pod hands out another content than ${order.content}`, {
      retry: false,
    });
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  const tunnel = await openTunnel(
    async (pump) => await peer.connect(facts.kind, pump),
    (error) => failed.abort(error),
  );
  try {
    const within = { ...context, signal, tools: createTools(signal, context.clock) };
    return facts.kind === 'image'
      ? await copyImage(order, within, remoteImage(facts.size, peer, tunnel.port))
      : await copyTree(order, within, remoteTree(facts, peer, tunnel.port));
  } finally {
    tunnel.close();
  }
}

/** Milliseconds for the other pod's own words, when it ends and a tool of ours sees no more than that its connection did: they are on their way. */
const lastWords = 2000;
/** The same when it does not listen any more: then it will end, and however busy it is, it is worth waiting for why. */
const lastBreath = 30_000;

/** @returns why a copy failed: what the other pod tells, where that it ended is all that was seen here. */
async function causeOf(error: unknown, { lost }: Peer, order: Order, { clock, signal }: Context): Promise<unknown> {
  const ambiguous = error instanceof CopyError && (error.reason === 'CopyIOError' || error.reason === 'CopyToolFailed');
  if (!ambiguous || signal.aborted) return error;
  try {
    await clock.sleep((await listens(order)) ? lastWords : lastBreath, lost);
    return error;
  } catch (cause) {
    return cause;
  }
}

async function listens({ peer }: Order): Promise<boolean> {
  return await knock({ host: peer, port: copyPort }).then(
    () => true,
    () => false,
  );
}
