import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { createOn, type Tally } from '../../support/creates.ts';
import { type Service, startService } from '../../support/service.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { clone, setScene } from './scene.ts';

/** The webhook is replaced while clones are created without a pause, as a Deployment does when it is rolled. */

let cluster: Cluster;
let service: Service;
let webhook: RunningWebhook;

const drain = '--drain=1s';

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'roll' });
  service = await startService();
  const calledAt = (url: string): string => {
    service.sendTo(url);
    return service.url;
  };
  webhook = await startWebhook(cluster, { name: 'webhook-0', args: [drain], calledAt });
  await setScene(cluster);
});

afterAll(async () => {
  await cluster?.stop();
  await service?.[Symbol.asyncDispose]();
});

async function answered({ opsUrl }: RunningWebhook): Promise<number> {
  const text = await (await request(`${opsUrl}/metrics`)).body.text();
  const lines = text.split('\n').filter((line) => line.startsWith('clonegate_admission_requests_total{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

describe('a rolling update', () => {
  it('fails no create', async () => {
    const stop = new AbortController();
    const tally: Tally = { created: 0, failures: [] };
    const like = clone({ namespace: 'tenant-a', generateName: 'created-' });
    const workers = Array.from({ length: 4 }, () => createOn(cluster, like, stop.signal, tally));
    for (const name of ['webhook-1', 'webhook-2', 'webhook-3']) {
      const before = tally.created;
      await until('creates by way of the present one', () => tally.created > before + 50);
      const next = await startWebhook(cluster, { name, args: [drain], replicaOf: webhook });
      service.sendTo(next.url);
      await webhook.process.kill('SIGTERM');
      await until('calls at the next one', async () => (await answered(next)) > 50);
      webhook = next;
    }
    stop.abort();
    await Promise.all(workers);
    expect(tally.failures).toEqual([]);
    expect(tally.created).toBeGreaterThan(200);
  });
});
