import { randomUUID } from 'node:crypto';
import { helperName, managedBy, snapshotName, temporaryName } from '../../../controller/children.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, labels } from '../../../shared/api/names.ts';
import { type AuditEvent, type Cluster, until } from '../../support/cluster/index.ts';
import { applyObjects } from '../../support/helm/apply.ts';
import { releaseNamespace } from '../../support/helm/chart.ts';
import { bytesOf, fileSystemWith, mebibyte, overwrite } from '../controller/disk.ts';
import { called } from './release.ts';

/** All that the programs need any of their rights for, made to happen. */
export class Everything {
  readonly team = 'team';
  readonly #golden = 'golden';
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** What clones of long ago left behind, to be swept up. */
  async orphans(): Promise<void> {
    const { team } = this;
    const uid = randomUUID();
    const marks = { labels: { [labels.ownerUid]: uid, [labels.managedBy]: managedBy } };
    const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '8Mi' } } };
    await applyObjects(this.#cluster, [
      ...[team, this.#golden].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { namespace: team, name: temporaryName(uid), ...marks },
        spec: { ...claim, storageClassName: 'none' },
      },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: team, name: helperName(uid), ...marks },
        spec: { containers: [{ name: 'main', image: 'none.invalid/none' }], terminationGracePeriodSeconds: 0 },
      },
      {
        apiVersion: 'snapshot.storage.k8s.io/v1',
        kind: 'VolumeSnapshot',
        metadata: { namespace: team, name: snapshotName(uid), ...marks },
        spec: { volumeSnapshotClassName: 'reflink', source: { persistentVolumeClaimName: 'none' } },
      },
      {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name: `left-${uid}`, ...marks, annotations: { [annotations.reclaimPolicy]: 'Retain' } },
        spec: {
          accessModes: ['ReadWriteOnce'],
          capacity: { storage: '8Mi' },
          persistentVolumeReclaimPolicy: 'Retain',
          storageClassName: 'none',
          hostPath: { path: '/nowhere' },
        },
      },
    ]);
  }

  /** Every way, into another namespace, larger, and before there is a consumer. */
  async clones(): Promise<void> {
    await this.#sources();
    const files = { source: { pvc: { namespace: this.#golden, name: 'files' } } };
    const snapshot = { source: { snapshot: { namespace: this.#golden, name: 'disk' } } };
    const filesystem = { volumeMode: 'Filesystem' };
    await Promise.all([
      this.begin('cross'),
      this.begin('snapped', { [annotations.strategy]: 'snapshot' }),
      this.begin('restored', {}, snapshot),
      this.begin('grown', {}, files, { ...filesystem, resources: { requests: { storage: '16Mi' } } }),
      this.begin('late', { [annotations.bindImmediately]: 'true' }, files, {
        ...filesystem,
        storageClassName: 'reflink-wffc',
      }),
      this.begin('by-name', {}, { sourceRef: { kind: 'DataSource', namespace: this.#golden, name: 'latest' } }),
    ]);
    for (const name of ['cross', 'snapped', 'restored', 'grown', 'late', 'by-name']) await this.succeeds(name);
  }

  /** One whose source never comes is told to be stalled. */
  async waits(): Promise<void> {
    await this.begin('waiting', {}, { source: { pvc: { namespace: this.#golden, name: 'never' } } });
    await until('the wait to be told', async () => {
      const { stdout } = await this.#kubectl('get', 'events', '-n', this.team, '--field-selector=reason=CloneStalled');
      return stdout.includes('waiting');
    });
    await this.#kubectl('delete', 'datavolume', '-n', this.team, 'waiting', '--timeout=240s');
  }

  /** The same refusal twice becomes one event with a count. */
  async refusedAgain(): Promise<void> {
    const isCounted = ({ verb, user, objectRef }: AuditEvent): boolean =>
      verb === 'patch' && objectRef?.resource === 'events' && user.username.endsWith(':clonegate-webhook');
    await until('the repetition to be counted', async () => {
      const { code } = await this.#cluster.kubectl(['create', '-f', 'test/demo/manifests/steal.yaml'], {
        user: 'tenant-b',
      });
      if (code === 0) throw new Error('tenant-b was let in');
      return (await this.#cluster.auditEvents()).some(isCounted);
    });
  }

  /**
   * A DataSource that nobody knows is read once more by itself; and when the claim of a clone is deleted, it is cloned again, which is told as
   * a repetition of the same event, by the same controller and by its successor.
   */
  async again(): Promise<void> {
    const sourceRef = { kind: 'DataSource', namespace: this.#golden, name: 'unknown' };
    await this.begin('from-nowhere', {}, { sourceRef }).catch(() => undefined);
    const seen = async (verb: string): Promise<boolean> =>
      (await this.#cluster.auditEvents()).some(
        (event) =>
          event.verb === verb &&
          event.objectRef?.resource === 'events' &&
          event.user.username.endsWith(':clonegate-controller'),
      );
    // Events of ten minutes are one; who comes from the one ten minutes into the next begins anew.
    for (let tries = 0; tries < 3 && !((await seen('patch')) && (await seen('get'))); tries += 1) {
      await this.#cloneAgain('cross');
      await this.#restart();
      await this.#cloneAgain('cross');
      await until('the repetition to be counted', async () => await seen('patch'), { timeout: 60_000 }).catch(
        () => undefined,
      );
    }
  }

  async #cloneAgain(name: string): Promise<void> {
    const uidOf = async (): Promise<string> => {
      const { stdout } = await this.#kubectl('get', 'pvc', '-n', this.team, name, '-o', 'jsonpath={.metadata.uid}');
      return stdout;
    };
    const before = await uidOf();
    await this.#kubectl('delete', 'pvc', '-n', this.team, name, '--timeout=240s');
    await until(`${name} to be cloned again`, async () => (await uidOf()) !== before);
    await this.succeeds(name);
  }

  /** The controller's key is made anew where whoever installs has made an empty Secret for it. */
  async keysAreMadeByTheInstaller(): Promise<void> {
    await this.#restart(async () => {
      await this.#kubectl('delete', 'secret', '-n', releaseNamespace, 'clonegate-identity-key');
      await this.#kubectl('create', 'secret', 'generic', '-n', releaseNamespace, 'clonegate-identity-key');
    });
  }

  async #restart(meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
    const own = ['-n', releaseNamespace];
    const deployment = 'deployment/clonegate-controller';
    await this.#kubectl('scale', ...own, deployment, '--replicas=0');
    await until('the controller to be gone', async () => {
      const pods = await this.#kubectl('get', 'pods', ...own, '-l=app.kubernetes.io/component=controller', '-o=name');
      return pods.stdout === '';
    });
    await meanwhile();
    await this.#kubectl('scale', ...own, deployment, '--replicas=2');
    await this.#kubectl('rollout', 'status', ...own, deployment, '--timeout=600s');
  }

  async clone(name: string): Promise<void> {
    await this.begin(name);
    await this.succeeds(name);
  }

  /** @throws Error when it is refused. */
  async begin(name: string, marks: object = {}, from?: object, claim: object = {}): Promise<void> {
    const { team } = this;
    const volume = {
      apiVersion: 'cdi.kubevirt.io/v1beta1',
      kind: 'DataVolume',
      metadata: { namespace: team, name, annotations: marks },
      spec: {
        ...(from ?? { source: { pvc: { namespace: this.#golden, name: 'disk' } } }),
        pvc: {
          accessModes: ['ReadWriteOnce'],
          volumeMode: 'Block',
          storageClassName: 'reflink',
          resources: { requests: { storage: '8Mi' } },
          ...claim,
        },
      },
    };
    const { code, stderr } = await called(async () => {
      return await this.#cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(volume) });
    });
    if (code !== 0) throw new Error(stderr);
  }

  async volume(name: string): Promise<DataVolume> {
    return await this.#cluster.api.get(`/apis/cdi.kubevirt.io/v1beta1/namespaces/${this.team}/datavolumes/${name}`);
  }

  async succeeds(name: string): Promise<void> {
    let last: DataVolume['status'];
    await until(`${name} to succeed`, async () => {
      last = (await this.volume(name)).status;
      return last?.phase === 'Succeeded';
    }).catch((error: unknown) => {
      throw new Error(`${name} is in ${JSON.stringify(last)}`, { cause: error });
    });
  }

  /**
   * Takes the rules for a resource out of a ClusterRole, and puts them back.
   * @returns `broken` once a request of the account was refused for it and clones worked again afterwards.
   */
  async without(role: string, resource: string): Promise<'broken'> {
    const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${role}`;
    const { rules } = await this.#cluster.api.get<{ rules: readonly { resources: readonly string[] }[] }>(path);
    const rest = rules.map((rule) => ({ ...rule, resources: rule.resources.filter((each) => each !== resource) }));
    const before = (await this.#cluster.auditEvents()).length;
    await this.#cluster.api.merge(path, { rules: rest.filter(({ resources }) => resources.length > 0) });
    const isRefusal = ({ user, objectRef, responseStatus }: AuditEvent): boolean =>
      user.username.endsWith(`:${role}`) && objectRef?.resource === resource && responseStatus?.code === 403;
    try {
      await until(`${role} to be refused ${resource}`, async () => {
        await this.begin(`without-${randomUUID()}`).catch(() => undefined);
        return (await this.#cluster.auditEvents()).slice(before).some(isRefusal);
      });
    } finally {
      await this.#cluster.api.merge(path, { rules });
    }
    await until('clones to be admitted again', async () => {
      await this.begin(`with-${role}-${resource}`);
      return true;
    });
    await this.succeeds(`with-${role}-${resource}`);
    return 'broken';
  }

  async #sources(): Promise<void> {
    const golden = this.#golden;
    const claim = {
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'reflink',
      resources: { requests: { storage: '8Mi' } },
    };
    const named = { disk: 'Block', files: 'Filesystem' };
    await applyObjects(this.#cluster, [
      ...Object.entries(named).map(([name, volumeMode]) => ({
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { namespace: golden, name },
        spec: { ...claim, volumeMode },
      })),
      {
        apiVersion: 'cdi.kubevirt.io/v1beta1',
        kind: 'DataSource',
        metadata: { namespace: golden, name: 'latest' },
        spec: { source: { pvc: { namespace: golden, name: 'disk' } } },
      },
    ]);
    const fileOf = async (name: string): Promise<string> =>
      await until(`${name} to be bound`, async () => await this.#cluster.claimPath(golden, name));
    const size = 8 * mebibyte;
    await overwrite(await fileOf('disk'), bytesOf('disk', size));
    await overwrite(await fileOf('files'), await fileSystemWith(bytesOf('files', mebibyte), size));
    await applyObjects(this.#cluster, [
      {
        apiVersion: 'snapshot.storage.k8s.io/v1',
        kind: 'VolumeSnapshot',
        metadata: { namespace: golden, name: 'disk' },
        spec: { volumeSnapshotClassName: 'reflink', source: { persistentVolumeClaimName: 'disk' } },
      },
    ]);
  }

  async #kubectl(...args: readonly string[]): Promise<{ readonly stdout: string }> {
    const { code, stdout, stderr } = await this.#cluster.kubectl(args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return { stdout };
  }
}
