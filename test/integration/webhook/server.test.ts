import { on, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import { parseRecord } from '../../../shared/decision/record.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { clone, create, created, must, setScene } from './scene.ts';

/** The webhook as a server and as a process: what it takes over TLS, what it does when things go wrong around it, and how it ends. */

let cluster: Cluster;
let webhook: RunningWebhook;
let agent: Agent;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'webhook' });
  webhook = await startWebhook(cluster);
  await setScene(cluster);
  agent = new Agent({ connect: { ca: webhook.ca } });
});

afterAll(async () => {
  await agent?.destroy();
  await cluster?.stop();
});

async function post(path: string, body: string | Buffer, type = 'application/json') {
  const headers = { 'content-type': type };
  const response = await request(`${webhook.url}${path}`, { method: 'POST', dispatcher: agent, headers, body });
  return { code: response.statusCode, answer: (await response.body.json()) as Record<string, unknown> };
}

/** As the API server would send it for tenant-a. */
function review(changes: object = {}): string {
  const userInfo = { username: 'tenant-a', groups: ['tenants', 'system:authenticated'] };
  const resource = { group: 'cdi.kubevirt.io', version: 'v1beta1', resource: 'datavolumes' };
  const object = clone({ namespace: 'tenant-a', name: 'direct' });
  const fields = { uid: 'u-1', operation: 'CREATE', resource, namespace: 'tenant-a', userInfo, object, ...changes };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: fields });
}

describe('over TLS', () => {
  it('answers a review', async () => {
    const { code, answer } = await post('/mutate?timeout=10s', review());
    expect(code).toBe(200);
    expect(answer).toMatchObject({
      kind: 'AdmissionReview',
      response: { uid: 'u-1', allowed: true, patchType: 'JSONPatch' },
    });
  });

  it.each([
    ['no JSON', '/validate', '{', 'application/json', 400],
    ['another type', '/validate', review(), 'text/plain', 415],
    ['8 MiB', '/validate', Buffer.alloc(8 << 20, ' '), 'application/json', 413],
    ['no review', '/validate', '{"kind":"Pod"}', 'application/json', 400],
    ['another path', '/convert', review(), 'application/json', 404],
  ])('answers %s with what is wrong, and goes on', async (_, path, body, type, status) => {
    const { code, answer } = await post(path, body, type);
    expect(code).toBe(status);
    expect(answer).toMatchObject({ code: status, message: expect.stringMatching(/\w{4,}/) });
    expect((await post('/mutate', review())).code).toBe(200);
  });

  it.each([
    ['an unknown kind', { object: { apiVersion: 'v1', kind: 'Pod', metadata: {} } }],
    ['a missing user', { userInfo: undefined }],
    ['another resource', { resource: { group: '', version: 'v1', resource: 'pods' } }],
  ])('refuses %s as a review', async (_, changes) => {
    const { answer } = await post('/validate', review(changes));
    expect(answer).toMatchObject({
      response: { uid: 'u-1', allowed: false, status: { code: 400, reason: 'BadRequest' } },
    });
  });

  it('speaks TLS 1.3 with a P-256 certificate, and HTTP/1.1 only', async () => {
    const socket = await open({ ALPNProtocols: ['h2', 'http/1.1'] });
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(['TLSv1.3', 'http/1.1']);
    const { asn1Curve } = socket.getPeerCertificate() as { asn1Curve?: string };
    expect(asn1Curve).toBe('prime256v1');
    socket.destroy();
    await expect(open({ maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert protocol version/);
  });
});

/** A connection of its own to the webhook. */
async function open(options: object = {}): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(webhook.url);
  const socket = connect({ host, port: Number(port), ca: webhook.ca, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

describe('through the API server', () => {
  it.each([
    ['a key that every object inherits', '"__proto__": "x"', /annotations.*Invalid value/s],
    ['the largest annotations that may be', `"big": "${'x'.repeat(250_000)}"`, undefined],
    ['larger ones', `"big": "${'x'.repeat(1 << 20)}"`, /Too long: may not be more than 262144 bytes/],
    ['unicode', '"clonegate.io/decision": "\u202E\\u0000💾"', undefined],
  ])('annotations with %s end in an ordinary answer', async (_, annotation, error) => {
    const volume = clone({ namespace: 'tenant-a', generateName: 'hostile-', annotations: { PLACE: '' } });
    const input = JSON.stringify(volume).replace('"PLACE":""', annotation);
    const { code, stderr } = await cluster.kubectl(['create', '-f', '-'], { user: 'tenant-a', input });
    expect(stderr).not.toMatch(/failed calling webhook|panic/);
    expect(code).toBe(error === undefined ? 0 : 1);
    expect(stderr).toMatch(error ?? '');
  });

  it("a deletion timestamp of the user's own making changes nothing", async () => {
    const metadata = { namespace: 'tenant-a', name: 'dying', deletionTimestamp: '2020-01-01T00:00:00Z' };
    const volume = await created(cluster, 'tenant-a', clone(metadata));
    expect(parseRecord(volume.metadata.annotations?.[annotations.decision])?.strategy).toBe('csi-clone');
    expect((await create(cluster, 'tenant-b', clone({ ...metadata, namespace: 'tenant-b' }))).code).toBe(1);
  });

  it('is called again after others have changed the object, and then changes nothing itself', async () => {
    const policy = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicy',
      metadata: { name: 'after-us' },
      spec: {
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: ['cdi.kubevirt.io'],
              apiVersions: ['v1beta1'],
              operations: ['CREATE'],
              resources: ['datavolumes'],
            },
          ],
        },
        matchConditions: [{ name: 'for-this-test', expression: "object.metadata.name == 'twice'" }],
        reinvocationPolicy: 'IfNeeded',
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            // Says something else once we have stamped: so there is a change after ours, and we are called once more.
            applyConfiguration: {
              expression:
                "Object{metadata: Object.metadata{labels: {'after': 'clonegate.io/stamp' in object.metadata.?annotations.orValue({}) ? 'us' : 'nobody'}}}",
            },
          },
        ],
      },
    };
    const binding = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name: 'after-us' },
      spec: { policyName: 'after-us' },
    };
    const list = { apiVersion: 'v1', kind: 'List', items: [policy, binding] };
    await must(cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(list) }));
    const volume = clone({ namespace: 'tenant-a', name: 'twice' });
    await until('the policy to be heeded', async () => {
      const tried = await created(cluster, 'tenant-a', volume, '--dry-run=server');
      return tried.metadata.labels?.['after'] === 'us';
    });
    const before = await answersOf('mutate');
    const stored = await created(cluster, 'tenant-a', volume);
    expect(stored.metadata.labels).toMatchObject({ after: 'us' });
    expect((await answersOf('mutate')) - before).toBe(2);
    await must(cluster.kubectl(['delete', 'mutatingadmissionpolicybinding,mutatingadmissionpolicy', 'after-us']));
  });
});

/** How many calls of this webhook have been answered so far, by its own count. */
async function answersOf(name: string): Promise<number> {
  const text = await (await request(`${webhook.opsUrl}/metrics`)).body.text();
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`clonegate_admission_requests_total{webhook="${name}"`));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

describe('when the right cannot be evaluated', () => {
  const rights = ['clusterrolebinding', 'clonegate-webhook'];

  it('says so and lets nothing in', async () => {
    const manifest = await must(cluster.kubectl(['get', ...rights, '-o', 'json']));
    await must(cluster.kubectl(['delete', ...rights]));
    const volume = clone({ namespace: 'tenant-a', name: 'unclear' });
    const { stderr } = await until('the webhook to be without its rights', async () => {
      const tried = await create(cluster, 'tenant-a', volume, '--dry-run=server');
      return tried.stderr.includes('CloneAuthorizationFailed') && tried;
    });
    expect(stderr).toContain('CloneAuthorizationFailed: it could not be found out whether user "tenant-a" may clone');
    expect(stderr).not.toContain('Forbidden');
    await must(cluster.kubectl(['create', '-f', '-'], { input: manifest }));
    await until('clones to be admitted again', async () => (await create(cluster, 'tenant-a', volume)).code === 0);
  });
});

/** What was answered, once the JSON that ends it is there; it may come in several pieces. */
async function answered(socket: TLSSocket): Promise<string> {
  let text = '';
  for await (const [piece] of on(socket, 'data', { close: ['close'] }) as AsyncIterable<[Buffer]>) {
    text += piece.toString();
    if (text.endsWith('}')) return text;
  }
  throw new Error(`the connection was closed after ${JSON.stringify(text)}`);
}

/** Resolves once it is closed, in order or not. */
async function closed(socket: TLSSocket): Promise<void> {
  socket.on('error', () => undefined);
  if (!socket.closed) await once(socket, 'close');
}

/** @throws Error when the connection is made. */
async function isRefused(attempt: Promise<TLSSocket>): Promise<boolean> {
  try {
    (await attempt).destroy();
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  }
  throw new Error('a new connection was made');
}

describe('at its end', () => {
  it('answers the calls it has in hand, takes no new ones, and exits with 0', async () => {
    const socket = await open();
    const body = review();
    const head = `POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write(head + body.slice(0, 10));
    // Node counts a connection as busy that has not said anything yet; the end must not wait for it either.
    const silent = await open();
    const idle = await open();
    idle.write(head + body);
    await answered(idle);
    const ended = webhook.process.kill('SIGTERM');
    try {
      await closed(idle);
      // It closes what is idle a moment before it stops listening: who comes in between is cut off, and not answered either.
      await until('new connections to be refused', async () => isRefused(open()));
      socket.write(body.slice(10));
      expect(await answered(socket)).toMatch(/^HTTP\/1\.1 200 .*"allowed":true/s);
      await closed(silent);
    } finally {
      await ended;
    }
    const log = readFileSync(webhook.process.logFile, 'utf8');
    expect(/"code":(\d+),"msg":"Stopped"/.exec(log)?.[1]).toBe('0');
  });

  it('leaves the door shut', async () => {
    const { code, stderr } = await create(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'late' }));
    expect(code).toBe(1);
    expect(stderr).toContain('failed calling webhook "mutate.datavolumes.clonegate.io"');
  });

  it('leaves what exists manageable', async () => {
    const labelled = cluster.kubectl(['label', '-n', 'tenant-a', 'datavolume', 'twice', 'still=works']);
    expect(await must(labelled)).toContain('labeled');
    expect(await must(cluster.kubectl(['delete', '-n', 'tenant-a', 'datavolume', 'twice']))).toContain('deleted');
  });

  it('is followed by a new start in which all is as before', async () => {
    await webhook.process.start();
    const volume = await until('the API server to reach it', () =>
      created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', generateName: 'again-' })),
    );
    expect(volume.metadata.annotations?.[annotations.cloneType]).toBe('csi-clone');
  });
});
