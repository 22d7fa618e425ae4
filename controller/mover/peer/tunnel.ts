import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { sweepBehind } from '../sweeping.ts';

/** Connections to a port of this pod come out somewhere else. */
export interface Tunnel {
  readonly port: number;
  close(): void;
}

/** @param connect to where they come out. @param onError told when there is no way through. */
export async function openTunnel(connect: () => Promise<Duplex>, onError: (error: unknown) => void): Promise<Tunnel> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    near.on('error', () => undefined);
    connect().then(
      (far) => join(near, far),
      (error: unknown) => {
        onError(error);
        near.destroy();
      },
    );
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  // It has an address, as it listens on one.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { port } = server.address() as AddressInfo;
  return { port, close: () => void server.close() };
}

function join(near: Socket, far: Duplex): void {
  far.on('error', () => near.destroy());
  far.once('close', () => near.destroySoon());
  near.once('close', () => far.destroy());
  near.pipe(far);
  sweepBehind(far);
  far.pipe(near);
}
