import type { DataVolume } from '../../shared/api/datavolume.ts';
import type { ClaimSpec } from '../../shared/api/objects.ts';
import { generateStampKeys } from '../../shared/trust/keys.ts';
import { stampedClone } from '../support/build/clones.ts';
import type { Api } from '../support/cluster/api.ts';
import { drive } from './load.ts';

/**
 * A cluster that has been in use for long: for each virtual machine a finished clone with its claim and volume, a claim and a volume beside,
 * and two pods. Nothing acts on them, as there is neither a node nor a controller manager.
 */

const inFlight = 32;
/** So many virtual machines share a namespace. */
const perNamespace = 200;

/** Objects that {@link fillCluster} makes for each virtual machine. */
export const objectsEach = { datavolumes: 1, persistentvolumeclaims: 2, persistentvolumes: 2, pods: 2 } as const;

/** Fills an API server for so many virtual machines, again from where an earlier call ended. */
export async function fillCluster(api: Api, from: number, to: number, log: (line: string) => void): Promise<void> {
  const keys = await generateStampKeys();
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  for (const name of new Set(numbers.map(namespaceOf))) await makeNamespace(api, name);
  let done = 0;
  await drive(numbers.length, inFlight, async (index) => {
    await makeMachine(api, from + index, keys);
    done += 1;
    if (done % 1000 === 0) log(`${from + done} virtual machines are there`);
    return 201;
  });
}

const namespaceOf = (number: number): string => `vms-${Math.floor(number / perNamespace)}`;

/** With the account that a controller manager would make, and without which no pod is let in. */
async function makeNamespace(api: Api, name: string): Promise<void> {
  await api.apply(`/api/v1/namespaces/${name}`, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await api.apply(`/api/v1/namespaces/${name}/serviceaccounts/default`, account);
}

async function makeMachine(
  api: Api,
  number: number,
  keys: Awaited<ReturnType<typeof generateStampKeys>>,
): Promise<void> {
  const namespace = namespaceOf(number);
  const name = `vm-${number}`;
  const volume = await makeClone(api, namespace, name, keys);
  const owner = {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    name,
    uid: volume.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
  await makeClaim(api, namespace, name, [owner]);
  await makeClaim(api, namespace, `${name}-data`, []);
  for (const purpose of ['launcher', 'exporter'])
    await api.post(`/api/v1/namespaces/${namespace}/pods`, podOf(`virt-${purpose}-${name}`, name));
}

interface Made {
  readonly metadata: { readonly uid: string };
}

async function makeClone(
  api: Api,
  namespace: string,
  name: string,
  keys: Parameters<typeof stampedClone>[0],
): Promise<Made> {
  const path = `/apis/cdi.kubevirt.io/v1beta1/namespaces/${namespace}/datavolumes`;
  const clone: DataVolume = await stampedClone(keys, {
    namespace,
    name,
    source: { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'win10' },
    claim: { storageClassName: 'fast', resources: { requests: { storage: '30Gi' } } },
    labels: { 'kubevirt.io/created-by': name, app: 'vm' },
  });
  const made = await api.post<Made>(path, clone);
  const at = '2026-01-01T00:00:00Z';
  const conditions = ['Bound', 'Ready', 'Running'].map((type) => ({
    type,
    status: type === 'Running' ? 'False' : 'True',
    reason: type === 'Running' ? 'Completed' : 'Bound',
    message: type === 'Bound' ? `PVC ${name} Bound` : '',
    lastHeartbeatTime: at,
    lastTransitionTime: at,
  }));
  await api.merge(`${path}/${name}/status`, {
    status: { phase: 'Succeeded', progress: '100.0%', claimName: name, conditions },
  });
  return made;
}

const shape = {
  accessModes: ['ReadWriteOnce'],
  volumeMode: 'Filesystem',
  storageClassName: 'fast',
} as const satisfies ClaimSpec;

async function makeClaim(api: Api, namespace: string, name: string, ownerReferences: readonly object[]): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims`;
  const volumeName = `pvc-${namespace}-${name}`;
  const { metadata } = await api.post<Made>(path, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, labels: { app: 'containerized-data-importer' }, ownerReferences },
    spec: { ...shape, volumeName, resources: { requests: { storage: '30Gi' } } },
  });
  await api.post('/api/v1/persistentvolumes', {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName, annotations: { 'pv.kubernetes.io/provisioned-by': 'bench.csi.example.com' } },
    spec: {
      ...shape,
      capacity: { storage: '30Gi' },
      persistentVolumeReclaimPolicy: 'Delete',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid: metadata.uid },
      csi: {
        driver: 'bench.csi.example.com',
        volumeHandle: volumeName,
        volumeAttributes: { 'storage.kubernetes.io/csiProvisionerIdentity': 'bench' },
      },
    },
  });
  const status = { phase: 'Bound', capacity: { storage: '30Gi' }, accessModes: shape.accessModes };
  await api.merge(`${path}/${name}/status`, { status });
}

/** About as long as KubeVirt's: what the API server sends of it counts, also where little of it is kept. */
function podOf(name: string, machine: string): object {
  const variables = Array.from({ length: 20 }, (_, index) => ({ name: `VARIABLE_${index}`, value: `value ${index}` }));
  const disks = [machine, `${machine}-data`];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { 'kubevirt.io': 'virt-launcher', 'vm.kubevirt.io/name': machine } },
    spec: {
      // Nobody runs it.
      schedulerName: 'none',
      containers: ['compute', 'guest-console-log'].map((container) => ({
        name: container,
        image: 'registry.example.com/kubevirt/virt-launcher:v1',
        command: ['/usr/bin/virt-launcher-monitor', '--qemu-timeout', '278s', '--name', machine, '--run-as-nonroot'],
        env: variables,
        resources: { requests: { cpu: '100m', memory: '2294Mi' } },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsNonRoot: true },
        volumeMounts: disks.map((disk) => ({ name: disk, mountPath: `/var/run/kubevirt-private/vmi-disks/${disk}` })),
      })),
      volumes: disks.map((disk) => ({ name: disk, persistentVolumeClaim: { claimName: disk } })),
    },
  };
}
