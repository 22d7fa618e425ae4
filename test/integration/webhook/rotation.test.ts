import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Trusted, trustedIn } from '../../../certs/authorities.ts';
import type { Secret, WebhookConfiguration } from '../../../shared/api/objects.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { createOn, type Tally } from '../../support/creates.ts';
import { type Service, startService } from '../../support/service.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { clone, must, setScene } from './scene.ts';

/** The authority of the webhook is replaced twice, and a replica once, while clones are created without a pause. */

let cluster: Cluster;
let service: Service;
let webhook: RunningWebhook;

/**
 * What lives for months and is overlapped by minutes, lives for an hour and is overlapped by seconds: the API server hears of it later, and a
 * machine may stop it for a while.
 */
const args = ['--drain=1s', '--ca-duration=1h', '--certificate-duration=30s', '--ca-overlap=8s'];
const own = { selfSigned: true, args };

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'rotation' });
  service = await startService();
  const calledAt = (url: string): string => {
    service.sendTo(url);
    return service.url;
  };
  webhook = await startWebhook(cluster, { ...own, name: 'webhook-0', calledAt });
  await setScene(cluster);
});

afterAll(async () => {
  await cluster?.stop();
  await service?.[Symbol.asyncDispose]();
});

const secret = '/api/v1/namespaces/clonegate-system/secrets/clonegate-webhook-ca';
const admission = '/apis/admissionregistration.k8s.io/v1';
const kinds = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'];

async function bundleOf(kind: string): Promise<string> {
  const { webhooks = [] } = await cluster.api.get<WebhookConfiguration>(`${admission}/${kind}/clonegate`);
  return Buffer.from(webhooks[0]?.clientConfig.caBundle ?? '', 'base64').toString();
}

async function trusted(): Promise<readonly string[]> {
  const [mutating, validating] = await Promise.all(kinds.map(bundleOf));
  return mutating === validating ? trustedIn(mutating ?? '').map(({ fingerprint }) => fingerprint) : [];
}

/** The authority that signs. */
async function signing(): Promise<Trusted | undefined> {
  const { data = {} } = await cluster.api.get<Secret>(secret);
  return trustedIn(Buffer.from(data['tls.crt'] ?? '', 'base64').toString())[0];
}

/** As an API server that calls for the first time: trusts what it is told, and expects the name of the Service. */
async function greet(ca: string): Promise<void> {
  const { hostname: host, port } = new URL(service.url);
  const servername = 'clonegate-webhook.clonegate-system.svc';
  const socket = connect({ host, port: Number(port), ca: [ca], servername });
  try {
    await once(socket, 'secureConnect');
  } finally {
    socket.destroy();
  }
}

async function greetOn(stop: AbortSignal, tally: Tally): Promise<void> {
  while (!stop.aborted) {
    try {
      await greet(await bundleOf(kinds[tally.created % 2] ?? ''));
      tally.created += 1;
    } catch (error) {
      tally.failures.push(String(error));
    }
    await sleep(50);
  }
}

/** Replaces the authority the way an administrator does. @returns when the new one signs. */
async function rotate(): Promise<void> {
  const before = (await signing())?.fingerprint;
  await cluster.api.remove(secret);
  await until('a new authority to sign', async () => ![undefined, before].includes((await signing())?.fingerprint));
}

async function metric({ opsUrl }: RunningWebhook, name: string): Promise<number> {
  const text = await (await request(`${opsUrl}/metrics`)).body.text();
  const line = text.split('\n').find((each) => each.startsWith(name));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}

describe('the own authority of the webhook', () => {
  it('owns one field of the configurations', async () => {
    for (const kind of kinds) {
      const { metadata } = await cluster.api.get<{
        metadata: {
          managedFields: readonly { manager: string; operation: string; fieldsV1: { 'f:webhooks': object } }[];
        };
      }>(`${admission}/${kind}/clonegate`);
      const ours = metadata.managedFields.filter(({ manager }) => manager === 'clonegate');
      expect(ours).toMatchObject([{ operation: 'Apply' }]);
      const [webhook] = ours.flatMap(({ fieldsV1 }) => Object.values(fieldsV1['f:webhooks']));
      expect(webhook).toEqual({ '.': {}, 'f:name': {}, 'f:clientConfig': { 'f:caBundle': {} } });
    }
  });

  it('is replaced twice, and a replica once, and no create fails', async () => {
    const stop = new AbortController();
    const [creates, greetings]: [Tally, Tally] = [
      { created: 0, failures: [] },
      { created: 0, failures: [] },
    ];
    const like = clone({ namespace: 'tenant-a', generateName: 'created-' });
    // Eighty a second at most: four of them, each with a pause of 50 ms.
    const pace = { dryRun: true, turn: async () => await sleep(50) };
    const workers = Array.from({ length: 4 }, () => createOn(cluster, like, stop.signal, creates, pace));
    workers.push(greetOn(stop.signal, greetings));
    const goOn = async (): Promise<void> => {
      const [created, greeted] = [creates.created, greetings.created];
      await until('creates to go on', () => creates.created > created + 50 && greetings.created > greeted + 5);
    };

    const first = await signing();
    await goOn();
    await rotate();
    await goOn();
    const next = await startWebhook(cluster, { ...own, name: 'webhook-1', replicaOf: webhook });
    service.sendTo(next.url);
    await webhook.process.kill('SIGTERM');
    await goOn();
    await rotate();
    await goOn();
    await until('the old ones to be trusted no longer', async () => (await trusted()).length === 1);
    await goOn();
    stop.abort();
    await Promise.all(workers);

    expect({ creates: creates.failures, greetings: greetings.failures }).toEqual({ creates: [], greetings: [] });
    const last = await signing();
    expect(last?.fingerprint).not.toBe(first?.fingerprint);
    expect(await trusted()).toEqual([last?.fingerprint]);
    const end = (last?.notAfter ?? 0) / 1000;
    const name = 'clonegate_certificate_expiration_timestamp_seconds{role="ca"}';
    await until('the metric to tell its end', async () => (await metric(next, name)) === end);
  });

  it('tells of it in events', async () => {
    const { stdout } = await cluster.kubectl(['get', 'events', '-n', 'clonegate-system', '-o', 'json']);
    const { items } = JSON.parse(stdout) as { items: readonly { reason: string; involvedObject: object }[] };
    const rotations = items.filter(({ reason }) => reason === 'CertificateRotated');
    expect(rotations.length).toBeGreaterThan(0);
    expect(rotations[0]?.involvedObject).toMatchObject({ kind: 'Secret', name: 'clonegate-webhook-ca' });
  });

  it('was looked after with the rights that the manifest gives', async () => {
    const refused = (await cluster.auditEvents()).filter(
      ({ user, responseStatus }) =>
        user.username === 'system:serviceaccount:clonegate-system:clonegate-webhook' && responseStatus?.code === 403,
    );
    expect(refused).toEqual([]);
    expect(
      (await must(cluster.kubectl(['get', 'secrets', '-n', 'clonegate-system', '-o', 'name']))).split('\n'),
    ).toContain('secret/clonegate-webhook-ca');
  });
});
