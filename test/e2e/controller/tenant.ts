import { writeFileSync } from 'node:fs';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import type { PersistentVolumeClaim, VolumeMode } from '../../../shared/api/objects.ts';
import type { StampKeyFiles } from '../../../shared/trust/keys.ts';
import { type CloneOptions, stampedClone } from '../../support/build/clones.ts';
import { type AuditEvent, type ClusterAccess, isWrite, until, wordsOf } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import type { UntilOptions } from '../../support/cluster/until.ts';

/** A namespace with a source volume in it and a user, tenant-a, who may clone from it. */

export const controllerUser = 'system:serviceaccount:clonegate-system:clonegate-controller';
const size = 8 * 1024 ** 2;
const requests = { storage: '8Mi' };

export interface TestEvent {
  readonly reason: string;
  readonly note: string;
  readonly type: string;
  readonly regarding: { readonly kind: string; readonly name: string };
}

export class Tenant {
  readonly namespace: string;
  readonly #cluster: ClusterAccess;
  readonly #keys: StampKeyFiles;

  constructor(cluster: ClusterAccess, keys: StampKeyFiles, namespace: string) {
    this.#cluster = cluster;
    this.#keys = keys;
    this.namespace = namespace;
  }

  static async create(cluster: ClusterAccess, keys: StampKeyFiles, prefix: string): Promise<Tenant> {
    const tenant = new Tenant(cluster, keys, await createNamespace(cluster, prefix));
    await tenant.grant();
    return tenant;
  }

  /** Path of a collection in the namespace, or of an object. */
  path(plural: string, name?: string): string {
    const root = plural === 'datavolumes' ? '/apis/cdi.kubevirt.io/v1beta1' : '/api/v1';
    const collection = `${root}/namespaces/${this.namespace}/${plural}`;
    return name === undefined ? collection : `${collection}/${name}`;
  }

  async kubectl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#cluster.kubectl(['-n', this.namespace, ...args]);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async grant(): Promise<void> {
    await this.kubectl('create', 'role', 'clone', '--verb=create', '--resource=datavolumes.cdi.kubevirt.io/source');
    await this.kubectl('create', 'rolebinding', 'clone', '--role=clone', '--user=tenant-a');
  }

  /** Whether the user still may. */
  async mayBeCloned(): Promise<boolean> {
    const question = [
      'auth',
      'can-i',
      'create',
      'datavolumes.cdi.kubevirt.io',
      '--subresource=source',
      '-n',
      this.namespace,
    ];
    return (await this.#cluster.kubectl(question, { user: 'tenant-a' })).stdout.trim() === 'yes';
  }

  /** A volume full of bytes that no other has. @returns its file. */
  async source(): Promise<string> {
    await this.createClaim('source', {});
    const file = await this.fileOf('source');
    writeFileSync(file, Buffer.alloc(size, `${this.namespace} `));
    return file;
  }

  async createClaim(name: string, spec: object): Promise<void> {
    await this.#cluster.api.post(this.path('persistentvolumeclaims'), {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'reflink', resources: { requests }, ...spec },
    });
  }

  /** A VolumeSnapshot of a claim, under its name, that can be restored. */
  async snapshot(claim: string): Promise<void> {
    const path = `/apis/snapshot.storage.k8s.io/v1/namespaces/${this.namespace}/volumesnapshots/${claim}`;
    await this.#cluster.api.apply(path, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata: { name: claim, namespace: this.namespace },
      spec: { volumeSnapshotClassName: 'reflink', source: { persistentVolumeClaimName: claim } },
    });
    await until(`snapshot ${claim} to be ready`, async () => {
      const { status } = await this.#cluster.api.get<{ status?: { readyToUse?: boolean } }>(path);
      return status?.readyToUse;
    });
  }

  /** File of the volume, once the claim is bound. */
  async fileOf(claim: string): Promise<string> {
    return until(`claim ${claim} to be bound`, () => this.#cluster.claimPath(this.namespace, claim));
  }

  async createPod(name: string, claim: string, mode: VolumeMode = 'Filesystem'): Promise<void> {
    const use =
      mode === 'Block'
        ? { volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] }
        : { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
    await this.#cluster.api.post(this.path('pods'), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        containers: [{ name: 'main', image: 'none.invalid/none', ...use }],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: claim } }],
        terminationGracePeriodSeconds: 0,
      },
    });
  }

  /** A DataVolume as admission would have let it through. */
  async clone(name: string, options: Partial<CloneOptions> = {}): Promise<void> {
    const { namespace } = this;
    const claim = { storageClassName: 'reflink', resources: { requests } };
    const volume = await stampedClone(this.#keys, { namespace, name, source: 'source', claim, ...options });
    await this.post(volume);
  }

  async post(volume: DataVolume): Promise<void> {
    await this.#cluster.api.post(this.path('datavolumes'), volume);
  }

  async volume(name: string): Promise<DataVolume> {
    return this.#cluster.api.get<DataVolume>(this.path('datavolumes', name));
  }

  async claim(name: string): Promise<PersistentVolumeClaim> {
    return this.#cluster.api.get<PersistentVolumeClaim>(this.path('persistentvolumeclaims', name));
  }

  /** @returns its uid; undefined when there is no such claim. */
  async removeClaim(name: string): Promise<string | undefined> {
    if (!(await this.claims()).includes(name)) return undefined;
    const { metadata } = await this.claim(name);
    await this.#cluster.api.remove(this.path('persistentvolumeclaims', name));
    return metadata.uid;
  }

  async claims(): Promise<readonly string[]> {
    const { items } = await this.#cluster.api.get<{ items: PersistentVolumeClaim[] }>(
      this.path('persistentvolumeclaims'),
    );
    return items.map(({ metadata }) => metadata.name ?? '');
  }

  /** Waits until the DataVolume is in a phase and, if given, waits for a reason. */
  async reaches(name: string, phase: string, reason?: string, options: UntilOptions = {}): Promise<DataVolume> {
    let last: DataVolume['status'];
    const seen = until(
      `DataVolume ${name} to reach ${phase} ${reason ?? ''}`,
      async () => {
        const volume = await this.volume(name);
        last = volume.status;
        const running = last?.conditions?.find(({ type }) => type === 'Running');
        return last?.phase === phase && (reason === undefined || running?.reason === reason) && volume;
      },
      options,
    );
    return seen.catch((error: unknown) => {
      throw new Error(`it is in ${JSON.stringify(last)}`, { cause: error });
    });
  }

  /** Events about DataVolumes, once the last of these reasons is there; writing them takes a moment. */
  async events(name: string, last: string): Promise<readonly TestEvent[]> {
    const path = `/apis/events.k8s.io/v1/namespaces/${this.namespace}/events`;
    return until(`an event ${last} for ${name}`, async () => {
      const { items } = await this.#cluster.api.get<{ items: TestEvent[] }>(path);
      const ours = items.filter(({ regarding }) => regarding.kind === 'DataVolume' && regarding.name === name);
      return ours.some(({ reason }) => reason === last) && ours;
    });
  }

  /** What the controller has asked of the API server for objects of this namespace. */
  async requests(): Promise<readonly AuditEvent[]> {
    const events = await this.#cluster.auditEvents();
    return events.filter(
      ({ user, objectRef, stage }) =>
        user.username === controllerUser && objectRef?.namespace === this.namespace && stage === 'ResponseComplete',
    );
  }

  /**
   * Its writes, events apart, as `verb resource/subresource`. One that met a conflict has written nothing.
   * @param last waits until the last of them is this one: what a write does is seen by others before the audit log tells of it.
   */
  async writes(last?: string): Promise<readonly string[]> {
    return until(`the last write in the audit log to be ${last}`, async () => {
      const all = (await this.requests()).filter(isWrite).filter(({ responseStatus }) => responseStatus?.code !== 409);
      const words = all.map(wordsOf);
      return (last === undefined || words.at(-1) === last) && words;
    });
  }
}
