import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startCluster } from '../support/cluster/index.ts';
import { interrupted } from '../support/cluster/interrupt.ts';
import { nodeObstacle } from '../support/cluster/node/requirements.ts';
import { startController } from '../support/controller.ts';
import { builders } from '../support/image/build.ts';
import { ensureImage } from '../support/image/index.ts';
import { missingPackages } from '../support/packages.ts';
import { startWebhook } from '../support/webhook.ts';
import { NotAsToldError, Story } from './story.ts';
import { tell, tellOfPods } from './tell.ts';

/** `make demo`: the main job, end to end, on a real control plane of its own. */

const help = `make demo          show a clone being refused, planned, made and compared, on a real control plane
make demo KEEP=1   the same, and leave everything running until Ctrl-C

Exit code: 0 when every step came as told, 1 otherwise.`;

const { values } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
});
const write = (text: string): void => void process.stdout.write(text);

async function demo(): Promise<number> {
  const began = Date.now();
  const seconds = (): string => `${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s  `;
  write(
    'Starting a control plane, the CSI sidecars and driver, and Clonegate (state in a temp folder, ports on loopback)\n',
  );
  const obstacle = podsObstacle();
  const image = obstacle === undefined ? await ensureImage() : undefined;
  const cluster = await startCluster({
    tier: image === undefined ? 'storage' : 'node',
    name: 'demo',
    drivers: [{ name: 'reflink', isDefault: true }, { name: 'plain' }],
    log: (line) => write(`${line}\n`),
  });
  try {
    if (image !== undefined) await cluster.importImage(image.archive);
    const webhook = await startWebhook(cluster);
    write(`${seconds()}webhook ready, as ServiceAccount clonegate-webhook\n`);
    const args = image === undefined ? [] : [`--copy-image=${image.reference}`];
    await startController(cluster, { keys: webhook.keys, args });
    write(`${seconds()}controller leads, as ServiceAccount clonegate-controller\n`);
    const story = new Story({ write, kubectl: (args, user) => cluster.kubectl(args, { user }) });
    await tell(story, cluster);
    if (obstacle === undefined) await tellOfPods(story, cluster);
    else write(`\nNot shown: a copy by a pod, which takes a real node. ${obstacle}\n`);
    write(`\nDone in ${seconds().trim()}: every step came as told.\n`);
    if (values.keep) await keep(cluster.kubeconfig('admin'), cluster.address.kubectl);
    return 0;
  } catch (error) {
    if (!(error instanceof NotAsToldError)) throw error;
    write(`\nNot as told: ${error.message}\n`);
    return 1;
  } finally {
    await cluster.stop();
  }
}

/** Why no pod can run our image here, in one line. Nothing is installed for a demo. */
function podsObstacle(): string | undefined {
  const obstacle = nodeObstacle();
  if (obstacle !== undefined) return obstacle;
  const missing = missingPackages(builders);
  return missing.length === 0 ? undefined : `building the image needs ${missing.join(', ')}: apt-get install them`;
}

async function keep(kubeconfig: string, kubectl: string): Promise<void> {
  write(`\nStill running. In another shell (tenants: replace admin by tenant-a or tenant-b):

  export KUBECONFIG=${kubeconfig}
  alias kubectl=${kubectl}
  kubectl get datavolumes -A
  kubectl create -f ${join(import.meta.dirname, 'manifests/steal.yaml')}

Ctrl-C ends it and removes everything.\n`);
  await interrupted();
}

if (values.help) write(`${help}\n`);
else process.exitCode = await demo();
