import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { type Cluster, type ManagedProcess, nodeName } from './cluster/index.ts';
import { freePort } from './cluster/ports.ts';

/**
 * Stands in for the kubelet for pods of Clonegate's own namespace: each container becomes a process beside the cluster, started with the
 * command and the flags that stand in the pod, under the pod's ServiceAccount. What differs from a pod: the program comes from this tree
 * and not from an image, volumes are not mounted, and addresses and ports are such as are free on loopback.
 */
export interface ProcessNode {
  /** `https://127.0.0.1:PORT` of every pod that is ready and serves admission calls, oldest first. */
  readonly serving: readonly string[];
  /** Log files of all pods that a component has had. */
  readonly logs: (component: string) => readonly string[];
  /** Names of the pods whose process runs. */
  readonly running: readonly string[];
  /** What went wrong last. */
  readonly lastError: unknown;
  /** Ends all processes. */
  stop(): Promise<void>;
}

interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly image: string;
}

interface NodePod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly serviceAccountName: string;
    readonly restartPolicy?: string;
    readonly containers: readonly Container[];
  };
  readonly status?: { readonly phase?: string };
}

interface Running {
  readonly process: ManagedProcess;
  readonly component: string;
  readonly opsUrl: string;
  readonly url: string | undefined;
  readonly startedAt: string;
  restarts: number;
  ready: boolean | undefined;
  stopping: boolean;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Milliseconds between two looks. */
const pause = 100;

export function startProcessNode(
  cluster: Cluster,
  namespace: string,
  onChange: (node: ProcessNode) => void,
): ProcessNode {
  const node = new Node(cluster, namespace, onChange);
  node.begin();
  return node;
}

class Node implements ProcessNode {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly #onChange: (node: ProcessNode) => void;
  readonly #pods = new Map<string, Running>();
  readonly #logs = new Map<string, string[]>();
  readonly #stopping = new AbortController();
  #looking: Promise<void> = Promise.resolve();
  lastError: unknown;

  constructor(cluster: Cluster, namespace: string, onChange: (node: ProcessNode) => void) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#onChange = onChange;
  }

  get serving(): readonly string[] {
    const ready = [...this.#pods.values()].filter((pod) => pod.ready === true && !pod.stopping);
    return ready.flatMap(({ url }) => (url === undefined ? [] : [url]));
  }

  get running(): readonly string[] {
    return [...this.#pods.values()].flatMap(({ process: { name, pid } }) => (pid === undefined ? [] : [name]));
  }

  logs(component: string): readonly string[] {
    return this.#logs.get(component) ?? [];
  }

  begin(): void {
    this.#looking = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#looking;
    await Promise.all([...this.#pods.values()].map(async ({ process: program }) => await program.kill('SIGKILL')));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        // A node tries again; what keeps failing shows as pods that do not become ready.
        this.lastError = error;
      }
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const path = `/api/v1/namespaces/${this.#namespace}/pods?fieldSelector=spec.nodeName%3D${nodeName}`;
    const { items } = await this.#cluster.api.get<{ items: readonly NodePod[] }>(path);
    // What has ended goes from the API server at once when it is deleted.
    const listed = new Set(items.map(({ metadata }) => metadata.uid));
    for (const [uid, { process: program }] of this.#pods)
      if (!listed.has(uid) && program.pid === undefined) this.#pods.delete(uid);
    for (const pod of items) {
      const known = this.#pods.get(pod.metadata.uid);
      if (pod.metadata.deletionTimestamp !== undefined) this.#end(pod, known);
      else if (known === undefined && isToRun(pod)) await this.#start(pod);
      else if (known !== undefined) await this.#tend(pod, known);
    }
  }

  async #start(pod: NodePod): Promise<void> {
    const [container] = pod.spec.containers;
    if (container === undefined) return;
    const [port, opsPort] = [await freePort(), await freePort()];
    const kubeconfig = await this.#cluster.serviceAccountKubeconfig(this.#namespace, pod.spec.serviceAccountName);
    const args = [
      ...commandOf(container),
      `--kubeconfig=${kubeconfig}`,
      ...instead(container.args, { host: '127.0.0.1', port, 'ops-host': '127.0.0.1', 'ops-port': opsPort }),
    ];
    const env = { POD_NAME: pod.metadata.name };
    const program = await this.#cluster.run(pod.metadata.name, process.execPath, args, { env });
    const component = pod.metadata.labels?.['app.kubernetes.io/component'] ?? '';
    this.#logs.set(component, [...this.logs(component), program.logFile]);
    const serves = container.args.some((arg) => arg.startsWith('--port='));
    this.#pods.set(pod.metadata.uid, {
      process: program,
      component,
      opsUrl: `http://127.0.0.1:${opsPort}`,
      url: serves ? `https://127.0.0.1:${port}` : undefined,
      startedAt: new Date().toISOString(),
      restarts: 0,
      ready: undefined,
      stopping: false,
    });
  }

  /** As a kubelet: told to end, waited for, and then the object goes. */
  #end(pod: NodePod, known: Running | undefined): void {
    if (known?.stopping === true) return;
    if (known !== undefined) known.stopping = true;
    this.#onChange(this);
    const remove = async (): Promise<void> => {
      await known?.process.kill('SIGTERM');
      await this.#cluster.api.remove(pathOf(pod), { gracePeriodSeconds: 0 });
      this.#pods.delete(pod.metadata.uid);
    };
    remove().catch((error: unknown) => {
      this.lastError = error;
      // So that the next look tries again.
      if (known !== undefined) known.stopping = false;
    });
  }

  async #tend(pod: NodePod, known: Running): Promise<void> {
    if (known.stopping || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return;
    const once = pod.spec.restartPolicy === 'Never';
    if (known.process.pid === undefined) {
      if (once) return await this.#finished(pod, known);
      known.restarts += 1;
      await known.process.start();
    }
    const ready = once || (await isReady(known.opsUrl));
    if (ready === known.ready) return;
    known.ready = ready;
    await this.#cluster.api.merge(`${pathOf(pod)}/status`, { status: statusOf(pod, known, 'Running') });
    this.#onChange(this);
  }

  async #finished(pod: NodePod, known: Running): Promise<void> {
    const phase = known.process.exitCode === 0 ? 'Succeeded' : 'Failed';
    await this.#cluster.api.merge(`${pathOf(pod)}/status`, { status: statusOf(pod, known, phase) });
  }
}

function isToRun({ status }: NodePod): boolean {
  return status?.phase === undefined || status.phase === 'Pending';
}

/** `/nodejs/bin/node /app/webhook.mjs --flag` is `node webhook/main.ts --flag` here. */
function commandOf({ command, args }: Container): readonly string[] {
  const [, bundle = '', ...rest] = command;
  const program = /^\/app\/([a-z]+)\.mjs$/.exec(bundle)?.[1];
  if (program === undefined) throw new Error(`no program of ours: ${command.join(' ')}`);
  return [join(root, program, 'main.ts'), ...rest, ...args];
}

/** Of several equal flags the last counts. Those that the pod does not have, its program may not know. */
function instead(args: readonly string[], values: Readonly<Record<string, string | number>>): readonly string[] {
  const given = Object.entries(values).filter(([flag]) => args.some((arg) => arg.startsWith(`--${flag}=`)));
  return given.map(([flag, value]) => `--${flag}=${value}`);
}

function statusOf({ spec }: NodePod, known: Running, phase: string): object {
  const [{ name, image } = { name: '', image: '' }] = spec.containers;
  const isOver = phase !== 'Running';
  const ready = known.ready === true && !isOver;
  const { startedAt } = known;
  const state = isOver
    ? { terminated: { exitCode: phase === 'Succeeded' ? 0 : 1, startedAt, finishedAt: new Date().toISOString() } }
    : { running: { startedAt } };
  const condition = { status: ready ? 'True' : 'False', lastTransitionTime: new Date().toISOString() };
  return {
    phase,
    conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
      ...condition,
      type,
      ...(type === 'PodScheduled' || type === 'Initialized' ? { status: 'True' } : {}),
    })),
    containerStatuses: [{ name, image, imageID: '', ready, started: true, restartCount: known.restarts, state }],
    startTime: startedAt,
  };
}

function pathOf({ metadata: { namespace, name } }: NodePod): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

async function isReady(opsUrl: string): Promise<boolean> {
  try {
    const { statusCode, body } = await request(`${opsUrl}/readyz`);
    await body.dump();
    return statusCode === 200;
  } catch {
    return false;
  }
}
