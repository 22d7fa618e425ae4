import { type Client, createClient, type Watcher } from '../../../shared/kube/client.ts';
import { type Connection, connect } from '../../../shared/kube/connection.ts';
import { systemClock } from '../../../shared/process/clock.ts';

/** A client of its own connection, closed with `close`. */
export async function clientOf(kubeconfig: string): Promise<Client & Watcher & Pick<Connection, 'close'>> {
  const connection = await connect({ kubeconfig });
  return { ...createClient(connection, { clock: systemClock, random: Math.random }), close: () => connection.close() };
}
