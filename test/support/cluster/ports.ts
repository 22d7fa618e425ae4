import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the range that Linux takes the local ends of outgoing connections from (32768 and up): else some connection could sit on
 * the port just when the API server wants it back after a restart.
 */
const lowest = 20_000;
const highest = 32_000;

/** A loopback port on which nobody listens at the moment. Another process may be quicker: callers try again with another one. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
