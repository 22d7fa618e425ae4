import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the range that Linux takes the local ends of outgoing connections from (32768 and up): else some connection could sit on
 * the port just when the API server wants it back after a restart.
 */
const lowest = 20_000;
const highest = 32_000;

/** Where a port is claimed: an address of the loopback network that nobody else here listens at. */
const claims = '127.86.0.1';

/**
 * A loopback port on which nobody listens at the moment, and that no other test is given until this process ends: between the choice and
 * the start of the program that listens there, and while that is started again, seconds pass. A program that chooses by itself may still be
 * quicker: callers try again with another one.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest);
    if ((await listens(port, '127.0.0.1', 'let go')) && (await listens(port, claims, 'keep'))) return port;
  }
}

/** Whether we could. */
async function listens(port: number, host: string, then: 'keep' | 'let go'): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => {
      server.unref();
      if (then === 'keep') resolve(true);
      else server.close(() => resolve(true));
    });
  });
}
