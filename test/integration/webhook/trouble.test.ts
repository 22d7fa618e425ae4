import { once } from 'node:events';
import { connect as dial, type Socket } from 'node:net';
import { connect as dialTls } from 'node:tls';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ApiGate, openGate } from '../../support/apigate.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { type Caller, callerOf, metric, reviewOf } from './calls.ts';
import { clone, create, created, must, setScene } from './scene.ts';

/** The webhook when the API server behind it is slow or fails, and when too many come at once. */

let cluster: Cluster;
let gate: ApiGate;
let webhook: RunningWebhook;
let caller: Caller;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'trouble' });
  gate = await openGate(cluster);
  webhook = await startWebhook(cluster, { through: gate.through });
  await setScene(cluster);
  caller = callerOf(webhook, 1000);
});

afterAll(async () => {
  await caller?.[Symbol.asyncDispose]();
  await cluster?.stop();
  await gate?.[Symbol.asyncDispose]();
});

afterEach(() => {
  gate.fate = () => 'pass';
  gate.release();
});

const isQuestion = ({ path }: { readonly path: string }): boolean => path.includes('/subjectaccessreviews');
const undecided = {
  allowed: false,
  status: { code: 503, reason: 'ServiceUnavailable', message: expect.stringMatching(/^CloneAuthorizationFailed: /) },
};

describe('a question about the right', () => {
  it.each(['hold', 'reset', 500, 503, 429, 403] as const)('that ends in %s lets nothing in', async (fate) => {
    gate.fate = (call) => (isQuestion(call) ? fate : 'pass');
    const user = { username: 'tenant-a', groups: ['tenants'] };
    expect(await caller.review('/validate?timeout=1s', reviewOf({ user }))).toMatchObject(undecided);
    const mutated = await caller.review('/mutate?timeout=1s', reviewOf({ user }));
    expect(mutated).toMatchObject({ allowed: true });
    expect(mutated.patch).toBeUndefined();
  });

  it('that is not answered is given up before the API server gives up on us', async () => {
    await haveTimeout(5);
    gate.fate = (call) => (isQuestion(call) ? 'hold' : 'pass');
    const inTime = await until('the webhook to be the first to give up', async () => {
      const { code, stderr } = await create(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'hurried' }));
      expect(code).toBe(1);
      // Half a second lies between the two; who did not get it from the machine shows nothing.
      return !/failed calling webhook|deadline exceeded/.test(stderr) && stderr;
    });
    expect(inTime).toContain('CloneAuthorizationFailed: it could not be found out whether user "tenant-a" may clone');
    expect(inTime).not.toContain('Forbidden');
    gate.fate = () => 'pass';
    gate.release();
    await haveTimeout(10);
  });

  it('is put again when the answer was lost, within the same time', async () => {
    let lost = 0;
    gate.fate = (call) => (isQuestion(call) && (lost += 1) === 1 ? 'reset' : 'pass');
    const volume = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'again' }));
    expect(volume.metadata.annotations).toHaveProperty(['clonegate.io/stamp']);
    expect(lost).toBe(2);
  });
});

/** Milliseconds that the API server waits for each of the two; it hears of a change within a moment. */
async function haveTimeout(seconds: number): Promise<void> {
  const patch = JSON.stringify([{ op: 'replace', path: '/webhooks/0/timeoutSeconds', value: seconds }]);
  for (const kind of ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration'])
    await must(cluster.kubectl(['patch', kind, 'clonegate', '--type=json', '-p', patch]));
  const path = '/apis/cdi.kubevirt.io/v1beta1/namespaces/tenant-a/datavolumes?dryRun=All';
  // Nothing tells whether it has; two creates later it has.
  for (const name of ['heard', 'heard-again']) await cluster.api.post(path, clone({ namespace: 'tenant-a', name }));
}

describe('a start', () => {
  async function readiness({ opsUrl }: RunningWebhook): Promise<{ code: number; text: string }> {
    const { statusCode, body } = await request(`${opsUrl}/readyz`);
    return { code: statusCode, text: await body.text() };
  }

  it.each(['storageclasses', 'storageprofiles'])('is not ready before it knows all %s', async (resource) => {
    gate.fate = ({ method, path }) => (method === 'GET' && path.includes(`/${resource}?`) ? 'hold' : 'pass');
    const name = `slow-${resource}`;
    const slow = await startWebhook(cluster, { name, replicaOf: webhook, through: gate.through, unready: true });
    const complaint = `[-]watch-${resource} failed: ${resource} are not listed yet`;
    const said = await until('it to say so', async () => {
      const { code, text } = await readiness(slow);
      return text.includes(complaint) && code;
    });
    expect(said).toBe(503);
    await expect(callerOf(slow).review('/validate', reviewOf())).rejects.toThrow(/ECONNREFUSED/);
    gate.fate = () => 'pass';
    gate.release();
    await until('it to be ready', async () => (await readiness(slow)).code === 200);
    await slow.process.kill('SIGTERM');
  });

  it.each(['pods', 'resourcequotas', 'limitranges'])(
    'does not wait for %s, which only help people',
    async (resource) => {
      gate.fate = ({ path }) => (path.includes(`/${resource}?`) ? 403 : 'pass');
      const name = `without-${resource}`;
      const lacking = await startWebhook(cluster, { name, replicaOf: webhook, through: gate.through });
      expect((await readiness(lacking)).code).toBe(200);
      await lacking.process.kill('SIGTERM');
    },
  );

  it('waits for quotas where they refuse', async () => {
    gate.fate = ({ path }) => (path.includes('/resourcequotas?') ? 'hold' : 'pass');
    const options = { name: 'refusing', args: ['--quota=deny'], replicaOf: webhook, through: gate.through };
    const strict = await startWebhook(cluster, { ...options, unready: true });
    // The list that is held may be another webhook's; this one has yet to listen.
    await until('it to say so', async () => (await readiness(strict)).text.includes('watch-resourcequotas'));
    await strict.process.kill('SIGTERM');
  });
});

const mebibyte = 1 << 20;
const memory = async (): Promise<number> => await metric(webhook, 'process_resident_memory_bytes');

/** Who is so slow that he is cut off tries again, as an API server's client would: on a busy machine that may be our own fault. */
async function again<T>(call: () => Promise<T>, times = 100): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (times === 0) throw error;
    return again(call, times - 1);
  }
}

describe('a crowd', () => {
  it('of 1,000 reviews at the same time is answered, each rightly, in bounded memory', async () => {
    const before = await memory();
    const user = { username: 'tenant-a', groups: ['tenants', 'system:authenticated'] };
    const calls = Array.from({ length: 1000 }, async (_, number) => {
      const uid = `u-${number}`;
      const mine = number % 2 === 0;
      const body = reviewOf({ uid, ...(mine ? { user } : {}) });
      const response = await again(async () => {
        const begin = performance.now();
        const answer = await caller.review('/mutate?timeout=30s', body);
        // Without an answer about the source for 10 s a clone is rightly left unstamped, and a machine can be that busy. It is tried again.
        if (mine && answer.patch === undefined && performance.now() - begin > 9_500) throw new Error('out of time');
        return answer;
      });
      return response.uid === uid && (response.patch !== undefined) === mine;
    });
    expect((await Promise.all(calls)).filter((right) => !right)).toEqual([]);
    // Nearly all of it for a thousand connections over TLS.
    expect((await memory()) - before).toBeLessThan(350 * mebibyte);
  });

  it('of the largest bodies is answered in bounded memory, and ordinary calls do not wait for it', async () => {
    const before = await memory();
    const body = Buffer.from(reviewOf({ annotations: { big: 'x'.repeat(6 * mebibyte) } }));
    const large = Promise.all(Array.from({ length: 80 }, async () => again(async () => caller.post('/mutate', body))));
    const small = await caller.review('/mutate', reviewOf({ uid: 'small' }));
    expect(small.uid).toBe('small');
    for (const { code } of await large) expect(code).toBe(200);
    // 480 MiB went through, each of them at least twice: as bytes and as text. Eight at a time may be 28 MiB each.
    expect((await memory()) - before).toBeLessThan(350 * mebibyte);
  });

  it('of connections that never say anything, or never come to an end of it, keeps no create out', async () => {
    const { hostname: host, port } = new URL(webhook.url);
    const ignore = (socket: Socket): Socket => socket.on('error', () => undefined);
    const silent: Socket[] = [];
    const slow = Array.from({ length: 50 }, () => {
      const socket = dialTls({ host, port: Number(port), ca: webhook.ca });
      socket.once('secureConnect', () => socket.write('POST /validate HTTP/1.1\r\nHost: x\r\nX-Slow: '));
      return ignore(socket);
    });
    // More and more, until there are too many: of those that come faster than they are taken, the kernel drops some.
    await until('some to be cut off', async () => {
      if (silent.length < 5000)
        silent.push(...Array.from({ length: 500 }, () => ignore(dial({ host, port: Number(port) }))));
      return (await metric(webhook, 'clonegate_admission_connections_cut_total')) > 50;
    });
    const volume = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'through' }));
    expect(volume.metadata.annotations).toHaveProperty(['clonegate.io/stamp']);
    const closed = [...silent, ...slow].map(
      async (socket) => socket.destroyed || (await once(socket.destroy(), 'close')),
    );
    await Promise.all(closed);
  });
});
