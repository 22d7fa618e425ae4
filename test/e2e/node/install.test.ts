import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, finalizer, labels } from '../../../shared/api/names.ts';
import type { WebhookConfiguration } from '../../../shared/api/objects.ts';
import { createClaim } from '../../support/claims.ts';
import { cameSince, type Finished, type User, until } from '../../support/cluster/index.ts';
import { applyAll } from '../../support/cluster/manifest.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { createOn, type Tally } from '../../support/creates.ts';
import { releaseNamespace as home } from '../../support/helm/chart.ts';
import { ensureImage } from '../../support/image/index.ts';
import { podsExplained, runPod } from '../../support/pods.ts';
import { requestsOf } from '../../support/rights.ts';
import { isUninstalled, Release } from '../install/release.ts';

/**
 * A release as an administrator has it: the real image in real pods, by the chart's default values, in a namespace where only restricted
 * pods may be, with the API server coming to the webhook through its Service. What of it needs no node is tested in test/e2e/install.
 */

const cluster = sharedCluster();
const accounts = ['clonegate-webhook', 'clonegate-controller'] as const;
const ours = 'app.kubernetes.io/name=clonegate';
const webhooks = 'app.kubernetes.io/component=webhook';
const began = Date.now();
let release: Release;
let reference: string;
let golden: string;
let team: string;

beforeAll(async () => {
  const image = await ensureImage();
  ({ reference } = image);
  await cluster.importImage(image.archive);
  const [, registry, repository, tag] = /^(.*)\/(.*):(.*)$/.exec(reference) ?? [];
  // No clone that is to be cut off has to be waited for long; everything else is as it comes.
  release = new Release(cluster, [
    `image.registry=${registry}`,
    `image.repository=${repository}`,
    `image.tag=json:"${tag}"`,
    'hooks.uninstall.wait=1s',
  ]);
  const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await applyAll(cluster.api, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: home, labels: restricted } }]);
  [golden, team] = await Promise.all([createNamespace(cluster, 'golden'), createNamespace(cluster, 'team')]);
  // Without it no test has anything to wait for.
  await release.install().catch(async (error: unknown) => {
    throw new Error(await podsExplained(cluster, home, ours), { cause: error });
  });
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await podsExplained(cluster, home, ours));
});
afterAll(async () => {
  // What a test that failed has left would be in the way of other files.
  await release?.run('uninstall', 'clonegate', '--no-hooks', '--ignore-not-found', '--wait');
  await cluster.close();
});

async function kubectl(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function names(...args: readonly string[]): Promise<readonly string[]> {
  return (await kubectl('get', ...args, '-o=name')).split('\n').filter((name) => name !== '');
}

/** `component image restarts` of our pods. */
async function running(): Promise<readonly string[]> {
  const words = [String.raw`.metadata.labels.app\.kubernetes\.io/component`, '.spec.containers[*].image'];
  const restarts = '.status.containerStatuses[*].restartCount';
  const line = [...words, restarts].map((word) => `{${word}}`).join(' ');
  const table = String.raw`-o=jsonpath={range .items[*]}${line}{"\n"}{end}`;
  return (await kubectl('get', 'pods', `-n=${home}`, `-l=${ours}`, table)).trim().split('\n').toSorted();
}

type Source = NonNullable<DataVolume['spec']['source']>;

function clone(name: string, source: Source = { pvc: { namespace: golden, name: 'data' } }): DataVolume {
  const requests = { storage: '32Mi' };
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { namespace: team, name },
    spec: {
      source,
      pvc: { accessModes: ['ReadWriteOnce'], storageClassName: 'reflink', resources: { requests } },
    },
  };
}

const create = async (name: string, user: User): Promise<Finished> =>
  await cluster.kubectl(['create', '-f', '-'], { user, input: JSON.stringify(clone(name)) });

const volume = async (name: string): Promise<DataVolume> =>
  await cluster.api.get(`/apis/cdi.kubevirt.io/v1beta1/namespaces/${team}/datavolumes/${name}`);

describe('a release in real pods', () => {
  test('runs where only restricted pods may be, and none has started twice', async () => {
    const intruder = ['run', 'intruder', '--image=none.invalid/none', `-n=${home}`];
    expect((await cluster.kubectl(intruder)).stderr).toContain('violates PodSecurity "restricted');
    const each = ['controller', 'controller', 'webhook', 'webhook'];
    expect(await running()).toEqual(each.map((component) => `${component} ${reference} 0`));
  });

  test('proves itself by its own pod, and API servers reach it by its Service', async () => {
    expect(await release.run('test', 'clonegate', '--timeout=10m')).toMatch(/clonegate-verify[\s\S]*Succeeded/);
    const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/clonegate';
    const { webhooks } = await cluster.api.get<WebhookConfiguration>(path);
    expect(webhooks?.map(({ clientConfig }) => clientConfig)).toMatchObject([
      { service: { namespace: home, name: 'clonegate-webhook' } },
    ]);
  });

  test('refuses a tenant, who clones after what the refusal says was done, and reads the same bytes', async () => {
    await createClaim(cluster, golden, 'data');
    const script = 'dd if=/dev/urandom of=/data/file bs=1M count=8 conv=fsync 2>/dev/null; sha256sum < /data/file';
    const written = await runPod(cluster, golden, { name: 'writer', script, claims: { data: '/data' } });
    expect(written.logs).toMatch(/^[0-9a-f]{64} /);

    await kubectl('create', 'rolebinding', 'tenant', `-n=${team}`, '--clusterrole=edit', '--user=tenant-b');
    const mayCreate = ['auth', 'can-i', 'create', 'datavolumes.cdi.kubevirt.io', `-n=${team}`];
    await until('tenant-b to edit', async () => (await cluster.kubectl(mayCreate, { user: 'tenant-b' })).code === 0);
    const refused = await create('mine', 'tenant-b');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('tenant-b') });
    const [, grant = ''] = /kubectl (create rolebinding .*)/.exec(refused.stderr) ?? [];
    await kubectl(...grant.split(' '));
    await until('tenant-b to be let in', async () => (await create('mine', 'tenant-b')).code === 0);
    await kubectl('wait', `-n=${team}`, 'datavolume/mine', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=10m');

    const read = { name: 'reader', script: 'sha256sum < /data/file', claims: { mine: '/data' } };
    expect(await runPod(cluster, team, read)).toMatchObject({ phase: 'Succeeded', logs: written.logs });
  });

  test('copies a snapshot by a pod of its own image, with the two rights that only this takes', async () => {
    await createClaim(cluster, golden, 'disk');
    const script = `cd /data && dd if=/dev/urandom of=disk.img bs=1M count=6 conv=fsync 2>/dev/null
      chown 107:107 disk.img && chmod 660 disk.img && sha256sum < disk.img`;
    const written = await runPod(cluster, golden, { name: 'installer', script, claims: { disk: '/data' } });
    const snapshots = `/apis/snapshot.storage.k8s.io/v1/namespaces/${golden}/volumesnapshots`;
    await cluster.api.post(snapshots, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata: { name: 'disk' },
      spec: { source: { persistentVolumeClaimName: 'disk' } },
    });
    await kubectl(
      'wait',
      `-n=${golden}`,
      'volumesnapshot/disk',
      '--for=jsonpath={.status.readyToUse}=true',
      '--timeout=10m',
    );

    // Slow enough for somebody to ask how far it is.
    const wishes = { [annotations.strategy]: 'copy', [annotations.bandwidth]: '500k' };
    const wanted = clone('copied', { snapshot: { namespace: golden, name: 'disk' } });
    const input = JSON.stringify({ ...wanted, metadata: { ...wanted.metadata, annotations: wishes } });
    expect(await cluster.kubectl(['create', '-f', '-'], { user: 'tenant-b', input })).toMatchObject({ code: 0 });
    await kubectl(
      'wait',
      `-n=${team}`,
      'datavolume/copied',
      '--for=jsonpath={.status.phase}=Succeeded',
      '--timeout=10m',
    );

    const read = { name: 'checker', script: 'sha256sum < /data/disk.img', claims: { copied: '/data' } };
    expect(await runPod(cluster, team, read)).toMatchObject({ phase: 'Succeeded', logs: written.logs });
    const events = (await cluster.auditEvents()).filter(cameSince(began));
    const requests = requestsOf(events, `system:serviceaccount:${home}:clonegate-controller`);
    const seen = requests.map(({ verb, objectRef: at }) => `${verb} ${at?.resource}/${at?.subresource ?? ''}`);
    expect(seen).toEqual(expect.arrayContaining(['get pods/log', 'get volumesnapshotcontents/']));
  });

  test('is restarted without losing a create', async () => {
    const before = await names('pods', `-n=${home}`, `-l=${webhooks}`);
    const stop = new AbortController();
    const tally: Tally = { created: 0, failures: [] };
    const workers = [1, 2].map(() => createOn(cluster, clone('tried'), stop.signal, tally, { dryRun: true }));
    const more = async (): Promise<void> => {
      const { created } = tally;
      await until('creates to go on', () => tally.created > created + 20);
    };
    await more();
    await kubectl('rollout', 'restart', `-n=${home}`, 'deployment/clonegate-webhook');
    await until('all pods to be others', async () => {
      const now = await names('pods', `-n=${home}`, `-l=${webhooks}`);
      return now.length === 2 && !now.some((name) => before.includes(name));
    });
    await more();
    stop.abort();
    await Promise.all(workers);
    expect(tally.failures).toEqual([]);
  });

  test('goes while a clone is under way, and leaves what its documentation says', async () => {
    const faults = cluster.faults('reflink');
    await faults.set('CreateVolume', { mode: 'always', code: 'UNAVAILABLE', message: 'later' });
    try {
      await create('cut-off', 'tenant-b');
      await until('the clone to be under way', async () => (await volume('cut-off')).metadata.finalizers);
      await release.run('uninstall', 'clonegate', '--timeout=10m');
    } finally {
      await faults.dispose();
    }

    expect((await volume('cut-off')).metadata.finalizers ?? []).not.toContain(finalizer);
    await until('all pods to end', async () => (await names('pods', `-n=${home}`)).length === 0);
    const passing = 'pods,persistentvolumeclaims,volumesnapshots';
    await until('what clones make on their way to be gone', async () => {
      const own = await names(passing, '-A', `-l=${labels.ownerUid}`);
      return own.every((name) => !name.includes('/clonegate-'));
    });
    const kinds = 'deployments,jobs,pods,services,poddisruptionbudgets,serviceaccounts,roles,rolebindings';
    expect(await names(`${kinds},configmaps,secrets,leases`, `-n=${home}`)).toEqual([
      'serviceaccount/default',
      'configmap/clonegate-identity-public-key',
      'configmap/clonegate-stamp-public-keys',
      'configmap/kube-root-ca.crt',
      'secret/clonegate-identity-key',
      'secret/clonegate-stamp-keys',
      'secret/clonegate-webhook-ca',
      'lease.coordination.k8s.io/clonegate-controller',
    ]);
    const scopeless = 'clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations';
    expect(await names(scopeless, `-l=${ours}`)).toEqual([]);
    expect(await names('crds', `-l=${ours}`)).toHaveLength(3);
    await kubectl('delete', 'datavolumes', '--all', `-n=${team}`, '--timeout=240s');
  });

  test.each(accounts)('%s was never refused anything', async (account) => {
    const events = (await cluster.auditEvents()).filter(cameSince(began));
    const requests = requestsOf(events, `system:serviceaccount:${home}:${account}`);
    expect(requests.length).toBeGreaterThan(20);
    const away = isUninstalled(events, accounts);
    const refused = requests.filter((event) => event.responseStatus?.code === 403 && !away(event));
    expect(refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`)).toEqual([]);
  });
});
