import { type Queue, QueueDrained } from './queue.ts';

/** What became of one pass over a key. */
export type Outcome =
  /** Nothing to do until something changes. */
  | { readonly kind: 'done' }
  /** Come again in `ms` milliseconds even if nothing changes. */
  | { readonly kind: 'after'; readonly ms: number }
  /** Failed; come again after the key's backoff, and in `within` milliseconds at the latest. */
  | { readonly kind: 'retry'; readonly within?: number };

export type Handle<K extends string> = (key: K, signal: AbortSignal) => Promise<Outcome>;

/**
 * `count` workers that take keys from the queue and do as the outcome says, until the signal aborts or the queue is drained; resolves
 * when the last of them has finished what it had in hand, and leaves the queue drained. A handle that throws is reported and its key retried: a bad object must
 * never cost a worker.
 */
export async function runWorkers<K extends string>(
  queue: Queue<K>,
  count: number,
  handle: Handle<K>,
  signal: AbortSignal,
  report: (error: unknown, key: K) => void = () => undefined,
): Promise<void> {
  const work = async (): Promise<void> => {
    for (;;) {
      const key = await take(queue, signal);
      if (key === undefined) return;
      try {
        settle(queue, key, await handle(key, signal));
      } catch (error) {
        // What ends because the program ends is not a failure of the key.
        if (signal.aborted) return;
        report(error, key);
        queue.addRateLimited(key);
      } finally {
        queue.done(key);
      }
    }
  };
  await Promise.all(Array.from({ length: count }, work));
  // Else a key that is to come in an hour would keep the process alive for an hour.
  await queue.drain();
}

async function take<K extends string>(queue: Queue<K>, signal: AbortSignal): Promise<K | undefined> {
  try {
    return await queue.next(signal);
  } catch (error) {
    if (signal.aborted || error instanceof QueueDrained) return undefined;
    throw error;
  }
}

function settle<K extends string>(queue: Queue<K>, key: K, outcome: Outcome): void {
  if (outcome.kind === 'retry') {
    queue.addRateLimited(key);
    // Of several times that a key is to come, the earliest counts.
    if (outcome.within !== undefined) queue.addAfter(key, outcome.within);
    return;
  }
  queue.forget(key);
  if (outcome.kind === 'after') queue.addAfter(key, outcome.ms);
}
