import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial } from 'node:net';
import { type Access, accessFrom } from '../../../shared/kube/credentials.ts';

/** Stands between a client and the API server and counts connections, which neither end would tell. */
export interface Relay extends AsyncDisposable {
  readonly accepted: number;
  /** What the kubeconfig says, with the relay in place of the server. */
  access(): Promise<Access>;
}

export async function startRelay(kubeconfig: string): Promise<Relay> {
  const source = accessFrom({ kubeconfig });
  const { server } = await source(false);
  let accepted = 0;
  const relay = createServer((near) => {
    accepted += 1;
    const far = dial(Number(server.port), server.hostname);
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port } = relay.address() as AddressInfo;
  return {
    get accepted() {
      return accepted;
    },
    access: async () => ({ ...(await source(false)), server: new URL(`https://127.0.0.1:${port}`) }),
    [Symbol.asyncDispose]: async () => {
      relay.close();
      await once(relay, 'close');
    },
  };
}
