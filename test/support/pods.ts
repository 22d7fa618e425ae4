import { type ClusterAccess, until } from './cluster/index.ts';
import { toolImage } from './cluster/node/images.ts';

/** Pods on a real node: what they run, on which claims, and how they ended. */

export interface PodWish {
  readonly name: string;
  /** Lines for the image's shell. */
  readonly script: string;
  /** Claim → the folder it is mounted at, or the path of its device when that is in /dev. */
  readonly claims?: Readonly<Record<string, string>>;
  readonly memory?: string;
  /** More of the pod's spec. */
  readonly spec?: object;
  /** More of the container. */
  readonly container?: object;
}

/** As Pod Security's profile `restricted` wants it, for KubeVirt's user. */
export const restricted: Pick<PodWish, 'spec' | 'container'> = {
  spec: {
    securityContext: {
      runAsUser: 107,
      runAsGroup: 107,
      fsGroup: 107,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  },
  container: { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } },
};

export async function createPod(cluster: ClusterAccess, namespace: string, wish: PodWish): Promise<void> {
  await cluster.api.post(`/api/v1/namespaces/${namespace}/pods`, podOf(wish));
}

function podOf({ name, script, claims = {}, memory, spec = {}, container = {} }: PodWish): object {
  const mounts = Object.entries(claims).map(([claim, path]) => ({ claim, path, device: path.startsWith('/dev/') }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      ...spec,
      containers: [
        {
          name: 'main',
          image: toolImage,
          imagePullPolicy: 'Never',
          command: ['/bin/sh', '-euc', script],
          volumeMounts: mounts
            .filter(({ device }) => !device)
            .map(({ claim, path }) => ({ name: claim, mountPath: path })),
          volumeDevices: mounts
            .filter(({ device }) => device)
            .map(({ claim, path }) => ({ name: claim, devicePath: path })),
          ...(memory === undefined ? {} : { resources: { limits: { memory } } }),
          ...container,
        },
      ],
      volumes: mounts.map(({ claim }) => ({ name: claim, persistentVolumeClaim: { claimName: claim } })),
    },
  };
}

interface Pod {
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly state: { readonly terminated?: { readonly reason: string; readonly exitCode: number } };
    }[];
  };
}

export interface PodEnd {
  readonly phase: 'Succeeded' | 'Failed';
  readonly reason: string | undefined;
  readonly exitCode: number | undefined;
  readonly logs: string;
}

/** Waits until the pod has ended. */
export async function podEnd(cluster: ClusterAccess, namespace: string, name: string): Promise<PodEnd> {
  const { status } = await until(`pod ${namespace}/${name} to end`, async () => {
    const pod = await cluster.api.get<Pod>(`/api/v1/namespaces/${namespace}/pods/${name}`);
    return pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed' ? pod : undefined;
  });
  const terminated = status.containerStatuses?.[0]?.state.terminated;
  const logs = await until(`the log of pod ${namespace}/${name}`, async () => {
    const { code, stdout, stderr } = await cluster.kubectl(['logs', '-n', namespace, name]);
    if (code !== 0) throw new Error(stderr);
    return { stdout };
  });
  return {
    phase: status.phase as PodEnd['phase'],
    reason: terminated?.reason,
    exitCode: terminated?.exitCode,
    logs: logs.stdout,
  };
}

/** Creates the pod and waits until it has ended. */
export async function runPod(cluster: ClusterAccess, namespace: string, wish: PodWish): Promise<PodEnd> {
  await createPod(cluster, namespace, wish);
  return await podEnd(cluster, namespace, wish.name);
}

export async function podReady(cluster: ClusterAccess, namespace: string, name: string): Promise<void> {
  await until(`pod ${namespace}/${name} to be ready`, async () => {
    const { status } = await cluster.api.get<Pod>(`/api/v1/namespaces/${namespace}/pods/${name}`);
    return status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
  });
}

/** What the pods of a namespace have said, and what is said of them: for a failure that is to explain itself. */
export async function podsExplained(cluster: ClusterAccess, namespace: string, selector: string): Promise<string> {
  const looks = [
    ['get', 'pods', '-o=wide'],
    ['events', '--types=Warning'],
    ['describe', 'pods', `--selector=${selector}`],
    ['logs', `--selector=${selector}`, '--prefix', '--all-containers', '--ignore-errors', '--tail=50'],
  ];
  const told = looks.map(async (args) => {
    const { stdout, stderr } = await cluster.kubectl([...args, '-n', namespace]);
    return `$ kubectl ${args.join(' ')} -n ${namespace}\n${stdout}${stderr}`;
  });
  return (await Promise.all(told)).join('\n');
}
