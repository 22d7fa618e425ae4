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

/** Until either has gone. @param upstream where the source comes from; opened with what the pump reads by. @param downstream who asks for it. */
export async function relay(upstream: Socket, pump: Pump, downstream: Duplex): Promise<void> {
  const gone = Promise.all([closed(upstream), closed(downstream)]);
  upstream.on('error', () => downstream.destroy());
  downstream.on('error', () => upstream.destroy());
  upstream.once('close', () => downstream.end());
  downstream.once('close', () => upstream.destroy());
  pump.start(upstream, downstream);
  // Requests, which are few and small.
  downstream.pipe(upstream);
  await gone;
}

async function closed(stream: Duplex): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', resolve));
}
