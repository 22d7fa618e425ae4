import type { AddressInfo } from 'node:net';

/** A server of fastify's, of any protocol. */
interface Listening {
  listen(at: { readonly host: string; readonly port: number }): Promise<unknown>;
  readonly server: { address(): AddressInfo | string | null };
}

/**
 * Begins to listen. `::` takes callers of both families; where the kernel was started without IPv6 it stands for all addresses of IPv4, as it
 * does in Node for who names none, so that one default fits every node.
 * @param port 0 takes any free one.
 * @returns the port. @throws Error of the system, such as EADDRINUSE.
 */
export async function listenAt(server: Listening, host: string, port: number): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const isUnknown = error instanceof Error && 'code' in error && error.code === 'EAFNOSUPPORT';
    if (host !== '::' || !isUnknown) throw error;
    await server.listen({ host: '0.0.0.0', port });
  }
  const address = server.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
