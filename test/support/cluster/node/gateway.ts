import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepts, createProcess, type ManagedProcess } from '../process.ts';
import { logFileOf, type Site } from '../site.ts';
import type { Endpoint } from '../users.ts';
import type { Machine } from './machine.ts';

const program = fileURLToPath(new URL('./gateway-main.ts', import.meta.url));

/** For `--egress-selector-config-file`: how the API server gets to kubelets, pods and Services. */
export function egressSelector(site: Site): object {
  const uds = { udsName: join(site.folders.state, 'egress.sock') };
  return {
    apiVersion: 'apiserver.k8s.io/v1beta1',
    kind: 'EgressSelectorConfiguration',
    egressSelections: [{ name: 'cluster', connection: { proxyProtocol: 'HTTPConnect', transport: { uds } } }],
  };
}

/** Both sides of the way between the API server and the nodes; the first machine's network is the nodes'. */
export function gatewayProcesses(site: Site, endpoint: Endpoint, machine: Machine): readonly ManagedProcess[] {
  const { state } = site.folders;
  const common = [`--folder=${state}`, `--port=${endpoint.port}`];
  const side = (name: 'inside' | 'outside', socket: string, args: readonly string[]): ManagedProcess => {
    const all = [program, name, ...common, ...args];
    return createProcess({
      name: `gateway.${name}`,
      cluster: site.id,
      onDeath: site.onDeath,
      logFile: logFileOf(site, `gateway.${name}`),
      ready: () => accepts(join(state, socket)),
      ...(name === 'inside' ? machine.inside(process.execPath, all) : { command: process.execPath, args: all }),
    });
  };
  return [side('outside', 'egress.sock', []), side('inside', 'nodes.sock', [`--address=${machine.address}`])];
}
