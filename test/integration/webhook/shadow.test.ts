import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, eventAnnotations } from '../../../shared/api/names.ts';
import type { Event, Stored } from '../../../shared/api/objects.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { metric } from './calls.ts';
import { clone, create, created, must, setScene } from './scene.ts';

/** Shadow mode before enforcement, step by step as docs/audit.md tells administrators to go. */

let cluster: Cluster;
let webhook: RunningWebhook;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'shadow' });
  webhook = await startWebhook(cluster, { args: ['--mode=shadow', '--events-allowed'] });
  await setScene(cluster);
});

afterAll(async () => {
  await cluster?.stop();
});

async function eventsOf(reason: string, name: string): Promise<readonly Stored<Event>[]> {
  const list = await until(`events ${reason} about ${name}`, async () => {
    const { items } = await cluster.api.get<{ readonly items: readonly Stored<Event>[] }>(
      '/apis/events.k8s.io/v1/events',
    );
    const found = items.filter((event) => event.reason === reason && event.regarding.name === name);
    return found.length >= 2 && found;
  });
  return list;
}

describe('in shadow mode', () => {
  it('a clone by somebody who may not is stored, unstamped, with warnings', async () => {
    const { code, stderr } = await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'spared' }));
    expect(code).toBe(0);
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toMatch(
      /^Warning: would be refused \(CloneWouldBeDenied\): CloneDenied: user "tenant-b" may not clone/,
    );
    expect(lines[1]).toBe(
      'Warning: stored all the same (shadow mode), but Clonegate never clones what was not authorized',
    );
    const path = '/apis/cdi.kubevirt.io/v1beta1/namespaces/tenant-b/datavolumes/spared';
    const { metadata } = await cluster.api.get<DataVolume>(path);
    expect(metadata.annotations ?? {}).not.toHaveProperty([annotations.stamp]);
  });

  it('such a clone is found where refusals would be, and alarms nobody', async () => {
    const found = await eventsOf('CloneWouldBeDenied', 'spared');
    expect(new Set(found.map(({ metadata }) => metadata.namespace))).toEqual(new Set(['clonegate-system', 'tenant-b']));
    for (const event of found) {
      expect(event.type).toBe('Normal');
      expect(event.metadata.annotations).toMatchObject({
        [eventAnnotations.code]: 'CloneDenied',
        [eventAnnotations.verdict]: 'would-deny',
      });
    }
    const stored = { webhook: 'validate', decision: 'would-deny', reason: 'CloneDenied' };
    expect(await metric(webhook, 'clonegate_admission_requests_total', stored)).toBe(1);
    const query = ['get', 'events', '-n', 'clonegate-system', '--field-selector', 'reason=CloneWouldBeDenied'];
    expect(
      await must(cluster.kubectl([...query, '-o', 'jsonpath={.items[*].metadata.annotations.clonegate\\.io/user}'])),
    ).toBe('tenant-b');
  });

  it('a dry run is told the same and recorded nowhere but in the audit log', async () => {
    const volume = clone({ namespace: 'tenant-b', name: 'tried' });
    const { code, stderr } = await create(cluster, 'tenant-b', volume, '--dry-run=server');
    expect(code).toBe(0);
    expect(stderr).toContain('would be refused (CloneWouldBeDenied)');
    await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'after' }));
    // Each of the two events is written by itself.
    const counts = await until('the count of the later one in both places', async () => {
      const seen = (await eventsOf('CloneWouldBeDenied', 'spared')).map(({ series }) => series?.count ?? 1);
      return seen.every((count) => count >= 2) && seen;
    });
    expect(counts).toEqual([2, 2]);
  });

  it('a clone that is in order is stamped, and authorized clones are events where that is wanted', async () => {
    const { code, stderr } = await create(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'fine' }));
    expect([code, stderr]).toEqual([0, '']);
    for (const event of await eventsOf('CloneAuthorized', 'fine'))
      expect(event.note).toMatch(
        /^user "tenant-a" may clone PersistentVolumeClaim golden\/fedora by csi-clone \(decision /,
      );
  });

  it('an update that would be refused passes', async () => {
    const spec = { storage: { resources: { requests: { storage: '2Gi' } } } };
    const args = ['patch', 'datavolume', '-n', 'tenant-a', 'fine', '--type=merge', '-p', JSON.stringify({ spec })];
    const { code, stderr } = await cluster.kubectl(args);
    expect(code).toBe(0);
    expect(stderr).toMatch(/would be refused \(CloneWouldBeDenied\): SpecImmutable/);
  });
});

describe('with failurePolicy Ignore', () => {
  const ignore = async (value: string): Promise<void> => {
    const patch = JSON.stringify([{ op: 'replace', path: '/webhooks/0/failurePolicy', value }]);
    for (const kind of ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration'])
      await must(cluster.kubectl(['patch', kind, 'clonegate', '--type=json', '-p', patch]));
  };

  it('a webhook that is away keeps nothing out either, and what came in meanwhile carries no stamp', async () => {
    await ignore('Ignore');
    await webhook.process.kill('SIGTERM');
    const volume = await until('the change to be heeded', async () => {
      return await created(cluster, 'tenant-b', clone({ namespace: 'tenant-b', generateName: 'away-' }));
    });
    expect(volume.metadata.annotations ?? {}).not.toHaveProperty([annotations.stamp]);
    await ignore('Fail');
  });
});

describe('after shadow mode', () => {
  it('the same request is refused', async () => {
    webhook = await startWebhook(cluster, { name: 'enforcing', keys: webhook.keys });
    const { code, stderr } = await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'refused' }));
    expect(code).toBe(1);
    expect(stderr).toContain('CloneDenied: user "tenant-b" may not clone');
  });
});
