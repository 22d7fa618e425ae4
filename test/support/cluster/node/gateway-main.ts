import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connectProxy, dialTcp, dialThrough, forward, isLoopback } from './tunnel.ts';

/**
 * The way between the API server, which listens on the machine's loopback as all of a cluster does, and the nodes, which are in network
 * namespaces of their own. Unix sockets know no such namespaces, so two of these programs meet at two of them:
 *
 *     node gateway-main.ts outside --folder STATE --port 20443                         the API server's side
 *     node gateway-main.ts inside  --folder STATE --port 20443 --address 10.89.0.1     the nodes' side
 *
 * From the nodes: TCP inside → `api.sock` → the API server. To nodes, pods and Services: the API server asks for each connection by HTTP
 * CONNECT at `egress.sock`, as its EgressSelectorConfiguration says → `nodes.sock` → TCP inside. What it wants of 127.0.0.1 are webhooks
 * that tests serve, and these are outside.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { folder: { type: 'string' }, port: { type: 'string' }, address: { type: 'string' } },
});
const { folder = '', address = '127.0.0.1' } = values;
const port = Number(values.port);
const api = { path: join(folder, 'api.sock') };
const nodes = { path: join(folder, 'nodes.sock') };

if (positionals[0] === 'inside') {
  await connectProxy(nodes, dialTcp);
  await forward({ host: address, port }, api);
} else {
  await forward(api, { host: address, port });
  await connectProxy({ path: join(folder, 'egress.sock') }, (authority) =>
    isLoopback(authority) ? dialTcp(authority) : dialThrough(nodes.path, authority),
  );
}
