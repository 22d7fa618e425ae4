import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * What a Service is to its clients: one address, behind which each new connection goes to whoever is ready now. A connection that is open
 * stays where it is.
 */
export interface Service extends AsyncDisposable {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** New connections go there from now on. */
  sendTo(url: string): void;
}

export async function startService(): Promise<Service> {
  const open = new Set<Socket>();
  let backend: URL | undefined;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (backend === undefined) {
      near.destroy();
      return;
    }
    const far = connect({ host: backend.hostname, port: Number(backend.port), allowHalfOpen: true });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one
        .on('error', () => other.destroy())
        .on('close', () => {
          open.delete(one);
          other.destroy();
        });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    sendTo: (url) => {
      backend = new URL(url);
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
