import { connect, type NetConnectOpts } from 'node:net';
import type { Context } from '../context.ts';

/** Waiting for somebody who is about to listen. */

interface Patience extends Pick<Context, 'clock' | 'signal'> {
  /** Milliseconds in all; the last attempt may end later. */
  readonly within: number;
  /** Milliseconds until the second attempt; doubled from one to the next, up to {@link longestPause}. */
  readonly pause: number;
  /** Whether trying again is of no use. */
  readonly isFinal?: (error: unknown) => boolean;
}

const longestPause = 4000;

/** @throws what the last attempt threw; the signal's reason when that aborts. */
export async function patiently<T>(
  attempt: () => Promise<T>,
  { clock, signal, within, pause, isFinal = () => false }: Patience,
): Promise<T> {
  const until = clock.elapsed() + within;
  for (let next = pause; ; next = Math.min(next * 2, longestPause)) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (isFinal(error) || clock.elapsed() + next > until) throw error;
      await clock.sleep(next, signal);
    }
  }
}

/** Milliseconds for one attempt to connect. */
const connectTimeout = 5000;

/** Opens a connection, and closes it. @throws Error when nobody listens there. */
export async function knock(door: NetConnectOpts): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ ...door, timeout: connectTimeout }, () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
  });
}
