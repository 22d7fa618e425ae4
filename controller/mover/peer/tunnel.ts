import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createPump, type Pump } from './pump.ts';

/** Connections to a port of this pod come out somewhere else. */
export interface Tunnel {
  readonly port: number;
  close(): void;
}

/** @param connect to where they come out, by a socket that is read through the pump. @param onError told when there is no way through. */
export async function openTunnel(
  connect: (pump: Pump) => Promise<Socket>,
  onError: (error: unknown) => void,
): Promise<Tunnel> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (near) => {
    near.on('error', () => undefined);
    const pump = createPump();
    connect(pump).then(
      async (far) => await relay(far, pump, near),
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

/** What one sends the other gets, until either has gone. @param much sends what there is much of, and is read through the pump. */
export async function relay(much: Socket, pump: Pump, little: Duplex): Promise<void> {
  const gone = Promise.all([closed(much), closed(little)]);
  much.on('error', () => little.destroy());
  little.on('error', () => much.destroy());
  much.once('close', () => little.end());
  little.once('close', () => much.destroy());
  pump.start(much, little);
  little.pipe(much);
  await gone;
}

async function closed(stream: Duplex): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', resolve));
}
