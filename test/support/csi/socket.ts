import { rm } from 'node:fs/promises';
import { connect } from 'node:net';

/** Whether a program answers at this Unix socket. */
export async function answers(endpoint: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(endpoint, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/**
 * Removes the socket that a killed program left.
 * @throws Error when somebody answers at it: that one is not ours.
 */
export async function removeDeadSocket(endpoint: string): Promise<void> {
  if (await answers(endpoint)) throw new Error(`another program serves at ${endpoint}`);
  await rm(endpoint, { force: true });
}
