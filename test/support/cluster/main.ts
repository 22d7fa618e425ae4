import { parseArgs } from 'node:util';
import { ensureBuilt } from './build.ts';
import { type Cluster, type ClusterOptions, startCluster } from './index.ts';
import { interrupted } from './interrupt.ts';
import { toolImage } from './node/images.ts';

const usage = `The embedded control plane: real Kubernetes programs on loopback, all state in a temp folder.

  node test/support/cluster/main.ts [--tier storage|api|node] [--nodes 1|2]    start, print how to reach it, run until Ctrl-C
  node test/support/cluster/main.ts build                   only build the programs into the cache

  --tier api        etcd and kube-apiserver
  --tier storage    the default: also kube-controller-manager, kube-scheduler and a CSI driver with its sidecars
  --tier node       the same with a real node: containers run, volumes are mounted (needs root and Debian's packages)
  --nodes 2         two of them, and drivers "near" and "far" whose volumes can be reached from one only
  --help            this text

  CLONEGATE_CACHE        where the programs are kept (default: $XDG_CACHE_HOME/clonegate or ~/.cache/clonegate)
  KUBEBUILDER_ASSETS     a folder with ready programs (etcd, kube-apiserver, kubectl, ...) to be taken instead
`;

const exitUsage = 2;

/** What the arguments ask for; an Error is for the person who typed them. */
function readCommand(argv: readonly string[]): 'help' | 'build' | ClusterOptions | Error {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        tier: { type: 'string', default: 'storage' },
        nodes: { type: 'string', default: '1' },
        help: { type: 'boolean' },
      },
    });
    const [command, ...rest] = positionals;
    if (values.help === true) return 'help';
    if (command !== undefined && (command !== 'build' || rest.length > 0)) {
      return new Error(`unknown argument ${positionals.join(' ')}: the only command is "build"`);
    }
    if (command === 'build') return 'build';
    return readOptions(values.tier, values.nodes);
  } catch (error) {
    return error as Error;
  }
}

function readOptions(tier: string, nodes: string): ClusterOptions | Error {
  if (tier !== 'api' && tier !== 'storage' && tier !== 'node')
    return new Error(`--tier ${tier}: must be "api", "storage" or "node"`);
  if (nodes !== '1' && nodes !== '2') return new Error(`--nodes ${nodes}: must be 1 or 2`);
  return { tier, nodes: nodes === '1' ? 1 : 2 };
}

async function serve(options: ClusterOptions): Promise<void> {
  // From before the start on: a Ctrl-C during the start is obeyed when the start is through.
  const signal = interrupted();
  const cluster = await startCluster({ ...options, name: 'cluster', log: (line) => process.stderr.write(`${line}\n`) });
  process.stdout.write(howToReach(cluster));
  await signal;
  process.stderr.write('stopping\n');
  await cluster.stop();
}

function howToReach(cluster: Cluster): string {
  const { folder, kubectl } = cluster.address;
  return `
The control plane is up at ${cluster.server}. In another terminal:

  export KUBECONFIG=${cluster.kubeconfig('admin')}
  alias kubectl=${kubectl}

  kubectl get storageclasses
  kubectl auth can-i --list
  kubectl --kubeconfig ${cluster.kubeconfig('tenant-a')} auth whoami

${cluster.address.nodes.length === 0 ? '' : howToRunPods}Users: admin, tenant-a, tenant-b (${folder}/users). Logs: ${folder}/logs. Requests: ${folder}/audit.log.
Ctrl-C stops it and removes all of it.
`;
}

const howToRunPods = `Pods run. There is no registry: an image is imported, and asked for with imagePullPolicy: Never.

  kubectl run hello --image=${toolImage} --image-pull-policy=Never --restart=Never -- echo hello
  kubectl logs hello

`;

const command = readCommand(process.argv.slice(2));
try {
  if (command instanceof Error) {
    process.stderr.write(`${command.message}\n(--help lists what there is)\n`);
    process.exitCode = exitUsage;
  } else if (command === 'help') process.stdout.write(usage);
  else if (command === 'build') process.stdout.write(`${await ensureBuilt()}\n`);
  else await serve(command);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  // Not only an exit code: who waits for Ctrl-C keeps the program alive.
  process.exit(1);
}
