import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { parseRecord } from '../../../shared/decision/record.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { callerOf, reviewOf } from './calls.ts';
import { clone, create, created, must, setScene } from './scene.ts';

/** What `kubectl create --dry-run=server` tells about a clone before anything is made, and warnings on a real create. */

let cluster: Cluster;
let webhook: RunningWebhook;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'planner' });
  webhook = await startWebhook(cluster);
  await setScene(cluster);
  await apply(
    quota('tenant-a', 'own', { 'requests.storage': '1500Mi' }),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'golden', name: 'default' } },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'late' },
      provisioner: 'csi.example.com',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
  );
});

afterAll(async () => {
  await cluster?.stop();
});

async function apply(...items: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await must(cluster.kubectl(['apply', '--server-side', '-f', '-'], { input }));
}

/** No controller counts here, so the test says what is used. */
async function useUp(namespace: string, name: string, hard: object, used: object): Promise<void> {
  const patch = JSON.stringify({ status: { hard, used } });
  const args = ['patch', 'resourcequota', '-n', namespace, name, '--subresource=status', '--type=merge', '-p', patch];
  await must(cluster.kubectl(args));
}

function quota(namespace: string, name: string, hard: object): object {
  return { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { namespace, name }, spec: { hard } };
}

/** Warnings of a dry run, once one of them matches: what the webhook knows is a moment behind. */
async function warned(expected: RegExp, volume = clone({ namespace: 'tenant-a', name: 'planned' })): Promise<string[]> {
  return await until(`a warning like ${expected}`, async () => {
    const lines = (await create(cluster, 'tenant-a', volume, '--dry-run=server')).stderr.trimEnd().split('\n');
    return lines.some((line) => expected.test(line)) && lines;
  });
}

const pod = (name: string, readOnly: boolean): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'golden', name },
  spec: {
    serviceAccountName: 'default',
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'none', volumeMounts: [{ name: 'data', mountPath: '/data', readOnly }] }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'fedora' } }],
  },
});

describe('a dry run', () => {
  it('shows strategy, reasons, size and all that is made, and makes none of it', async () => {
    const yaml = await must(
      create(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'planned' }), '--dry-run=server', '-o', 'yaml'),
    );
    expect(yaml).toContain('cdi.kubevirt.io/cloneType: csi-clone');
    const { metadata } = parse(yaml) as DataVolume;
    // With room for the filesystem on it.
    const size = 1_138_166_334n;
    expect(parseRecord(metadata.annotations?.[annotations.decision])).toMatchObject({
      strategy: 'csi-clone',
      size,
      candidates: [{ reason: 'Preferred' }, { reason: 'NoSnapshotAPI' }, { reason: 'NotPreferred' }],
      makes: [
        { namespace: 'tenant-a', claims: [{ size, storageClassName: 'fast', temporary: false }] },
        { namespace: 'golden', claims: [{ size, storageClassName: 'fast', temporary: true }] },
      ],
    });
    for (const kind of ['datavolume', 'persistentvolumeclaim'])
      expect((await cluster.kubectl(['get', kind, '-n', 'tenant-a', 'planned'])).stderr).toContain('NotFound');
  });

  it('leaves the decision of an ordinary create to be the same', async () => {
    const volume = clone({ namespace: 'tenant-a', name: 'compared' });
    const [dry, real] = [
      await created(cluster, 'tenant-a', volume, '--dry-run=server'),
      await created(cluster, 'tenant-a', volume),
    ].map(({ metadata }) => parseRecord(metadata.annotations?.[annotations.decision]));
    expect({ ...dry, id: '' }).toEqual({ ...real, id: '' });
  });
});

describe('somebody who may clone is warned', () => {
  it("of the own namespace's quota with its figures, and of the source's without", async () => {
    await useUp('tenant-a', 'own', { 'requests.storage': '1500Mi' }, { 'requests.storage': '700Mi' });
    await warned(
      /^Warning: quota exceeded \(QuotaExceeded\): needs 1086Mi requests.storage in tenant-a, 700Mi of 1500Mi used \(ResourceQuota\/own\)$/,
    );
    await apply(quota('golden', 'theirs', { 'requests.storage': '1234Mi' }), {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { namespace: 'golden', name: 'their-sizes' },
      spec: { limits: [{ type: 'PersistentVolumeClaim', max: { storage: '789Mi' } }] },
    });
    await useUp('golden', 'theirs', { 'requests.storage': '1234Mi' }, { 'requests.storage': '567Mi' });
    const lines = await warned(/in golden, above the limit there$/);
    const all = (await warned(/in golden, which is more than is left there$/)).join('\n');
    expect(lines.length).toBeGreaterThan(1);
    expect(all).not.toMatch(/1234|567|789|their/);
  });

  it('of pods that write to the source, not of those that only read or are over', async () => {
    await apply(pod('reader', true), pod('writer', false), pod('finished', false));
    const status = JSON.stringify({ status: { phase: 'Succeeded' } });
    await must(
      cluster.kubectl([
        'patch',
        'pod',
        '-n',
        'golden',
        'finished',
        '--subresource=status',
        '--type=merge',
        '-p',
        status,
      ]),
    );
    const lines = await warned(/pod writer writes/);
    expect(lines).toContain('Warning: clone waits (CloneSourceInUse): pod writer writes to the source');
  });

  it('of a class that waits for the first consumer', async () => {
    const storage = { storageClassName: 'late', resources: { requests: { storage: '1Gi' } } };
    const volume = clone({ namespace: 'tenant-a', name: 'late' }, { storage });
    const lines = await warned(/WaitForFirstConsumer/, volume);
    expect(lines).toContain(
      'Warning: clone waits (WaitForFirstConsumer): StorageClass late makes a volume when a pod uses it',
    );
  });

  it('in lines of at most 120 characters, on a create as on a dry run', async () => {
    const { code, stderr } = await create(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'warned' }));
    expect(code).toBe(0);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThanOrEqual(3);
    for (const line of lines) expect(line.replace('Warning: ', '').length).toBeLessThanOrEqual(120);
  });
});

describe('somebody who may not clone', () => {
  it('is told nothing of all this', async () => {
    const { stderr } = await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'curious' }));
    expect(stderr).not.toMatch(/Warning|writer|quota|limit/i);
  });
});

describe('with --quota=deny', () => {
  it('what does not fit is refused as the API server would, and told no more than otherwise', async () => {
    const { keys, process: permissive } = webhook;
    webhook = await startWebhook(cluster, { name: 'strict', args: ['--quota=deny'], keys });
    await permissive.kill('SIGTERM');
    const { code, stderr } = await create(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'too-much' }));
    expect(code).toBe(1);
    expect(stderr).toContain('Error from server (Forbidden)');
    expect(stderr).toContain('QuotaExceeded: the clone does not fit: needs 1086Mi requests.storage in tenant-a, ');
    expect(stderr).not.toMatch(/1234|567|789|their/);
  });
});

describe('with everything turned off', () => {
  it('needs no right to pods, quotas or limits', async () => {
    // It would ask under the same name.
    await webhook.process.kill('SIGTERM');
    const before = (await cluster.auditEvents()).length;
    const args = ['--quota=off', '--warn-source-in-use=false'];
    const quiet = await startWebhook(cluster, { name: 'quiet', args, replicaOf: webhook });
    const caller = callerOf(quiet);
    expect(await caller.review('/mutate', reviewOf())).toMatchObject({ allowed: true });
    const seen = (await cluster.auditEvents())
      .slice(before)
      .filter(({ user }) => user.username.endsWith(':clonegate-webhook'));
    const asked = seen.map(({ objectRef }) => objectRef?.resource);
    expect(asked).toContain('storageclasses');
    for (const resource of ['pods', 'resourcequotas', 'limitranges']) expect(asked).not.toContain(resource);
    await caller[Symbol.asyncDispose]();
    await quiet.process.kill('SIGTERM');
  });
});
