import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reasons } from '../../../shared/api/reasons.ts';
import { metricsTable } from '../../../shared/process/metrics.ts';
import { settingsTable } from '../../../shared/process/settings.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { shell } from '../../support/cluster/shell.ts';
import { startWebhook } from '../../support/webhook.ts';
import { clone, create, created, must, setScene } from './scene.ts';

/** docs/audit.md: each of its commands is run, in its order, as it stands there. */

const text = readFileSync(join(import.meta.dirname, '../../../docs/audit.md'), 'utf8');
const commands = [...text.matchAll(/^ {4,}((?:kubectl|grep) .*)$/gm)].map(([, command = '']) => command);

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'guide' });
  const { keys } = await startWebhook(cluster, { name: 'trying', args: ['--mode=shadow'] });
  await setScene(cluster);
  await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'spared' }));
  await startWebhook(cluster, { keys });
  await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'disk' }));
  await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'stolen' }));
  for (const reason of ['CloneDenied', 'CloneWouldBeDenied'])
    await until(`the events ${reason}`, async () => {
      const query = ['get', 'events', '-A', '--field-selector', `reason=${reason}`, '-o', 'name'];
      return (await must(cluster.kubectl(query))).trim().split('\n').length === 2;
    });
  await apply({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: 'clonegate-system', name: 'clonegate-webhook' },
    spec: {
      selector: { matchLabels: { app: 'webhook' } },
      template: {
        metadata: { labels: { app: 'webhook' } },
        spec: { containers: [{ name: 'webhook', image: 'none' }] },
      },
    },
  });
});

afterAll(async () => {
  await cluster?.stop();
});

async function apply(manifest: object): Promise<void> {
  await must(cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(manifest) }));
}

describe('docs/audit.md', () => {
  it('has commands', () => {
    expect(commands.length).toBeGreaterThanOrEqual(12);
  });

  it.each(commands)('says %s', async (command) => {
    const { code, output } = await shell(cluster, command);
    expect(output).not.toMatch(/No resources found|error/i);
    expect(code).toBe(0);
    expect(output.trim()).not.toBe('');
  });

  it('shows who was refused what, by the command for it', async () => {
    const command = commands.find((each) => each.includes('managed-by=clonegate')) ?? '';
    const { output } = await shell(cluster, command);
    expect(output).toMatch(/CloneDenied +\S+ +tenant-b +tenant-b\/stolen +PersistentVolumeClaim golden\/fedora/);
  });

  it('shows what has no stamp, by the command for it', async () => {
    const { output } = await shell(cluster, commands.at(-1) ?? '');
    expect(output).toMatch(/^tenant-b +spared +<none>$/m);
    expect(output).not.toMatch(/^tenant-a +disk +<none>$/m);
  });

  it('names settings, metrics and reasons that exist', () => {
    const flags = [...text.matchAll(/`(--(?!event-ttl|dry-run)[a-z-]+)/g)].map(([, flag]) => flag);
    const metrics = [...text.matchAll(/`(clonegate_[a-z_]+)/g)].map(([, name]) => name);
    const codes = [...text.matchAll(/`((?:Clone|Quota|Events)[A-Z][A-Za-z]+)`/g)].map(([, code]) => code);
    expect(settingsTable.map(({ flag }) => flag)).toEqual(expect.arrayContaining(flags));
    expect(Object.values(metricsTable).map(({ name }) => name)).toEqual(expect.arrayContaining(metrics));
    expect(Object.keys(reasons)).toEqual(expect.arrayContaining(codes));
    for (const found of [flags, metrics, codes]) expect(found.length).toBeGreaterThan(3);
  });
});
