import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Lease, Stored } from '../../../shared/api/objects.ts';
import type { Client } from '../../../shared/kube/client.ts';
import { createElector, LeadershipLost } from '../../../shared/kube/lease.ts';
import { leases } from '../../../shared/kube/resource.ts';
import { systemClock } from '../../../shared/process/clock.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { until } from '../../support/cluster/until.ts';
import { clientOf } from './client.ts';

const cluster = sharedCluster();
let client: Awaited<ReturnType<typeof clientOf>>;
beforeAll(async () => {
  client = await clientOf(cluster.kubeconfig('admin'));
});
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});
afterAll(async () => {
  await client.close();
  await cluster.close();
});

/** Long enough for a leader that has a busy machine for itself to renew in time. `elector.ts` has the same. */
const times = { leaseDuration: 8000, renewDeadline: 7000, retryPeriod: 500 };

/** A contender in this process; `through` stands between it and the API server. */
function contender(
  namespace: string,
  identity: string,
  through: Pick<Client, 'get' | 'create' | 'mergePatch'> = client,
  timing = times,
) {
  const elector = createElector({
    client: through,
    clock: systemClock,
    random: Math.random,
    log: createLogger({ level: 'silent', name: 'test' }),
    namespace,
    name: 'leader',
    identity,
    ...timing,
  });
  const stop = new AbortController();
  cleanups.push(() => stop.abort());
  const spans: { from: number; to?: number }[] = [];
  const run = async (): Promise<unknown> => {
    try {
      await elector.run(stop.signal, async (lost) => {
        const span: { from: number; to?: number } = { from: performance.now() };
        spans.push(span);
        if (!lost.aborted) await once(lost, 'abort');
        span.to = performance.now();
      });
      return 'clean';
    } catch (error) {
      return error;
    }
  };
  return { elector, stop, spans, ended: run() };
}

/** The same as a process of its own, which can be killed and paused. */
function contenderProcess(namespace: string, identity: string): { child: ChildProcess; lines: string[] } {
  const program = join(import.meta.dirname, 'elector.ts');
  const args = [program, cluster.kubeconfig('admin'), namespace, identity];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { child, lines };
}

async function leaseIn(namespace: string): Promise<Stored<Lease>> {
  return client.get(leases, { namespace, name: 'leader' });
}

test('a killed leader is followed after the lease duration, and the record tells it', async () => {
  const namespace = await createNamespace(cluster, 'killed');
  const first = contenderProcess(namespace, 'first');
  await until('the first to lead', () => first.lines.includes('leads'));
  const second = contender(namespace, 'second');
  await until('the second to have seen a renewal', async () => {
    const { acquireTime, renewTime } = (await leaseIn(namespace)).spec ?? {};
    return acquireTime !== renewTime;
  });
  expect(second.elector.leading).toBe(false);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  const left = (await leaseIn(namespace)).spec;
  expect(left?.holderIdentity).toBe('first');
  await until('the second to lead', () => second.elector.leading);
  const taken = (await leaseIn(namespace)).spec;
  expect(taken).toMatchObject({ holderIdentity: 'second', leaseTransitions: 1, leaseDurationSeconds: 8 });
  // The second counts from when it saw the last renewal, so at least the duration lies between the two.
  const waited = Date.parse(taken?.acquireTime ?? '') - Date.parse(left?.renewTime ?? '');
  expect(waited).toBeGreaterThanOrEqual(times.leaseDuration);
});

test('a leader that is cut off has stopped before the next one starts', async () => {
  const namespace = await createNamespace(cluster, 'cutoff');
  let cut = false;
  const hang = async (signal: AbortSignal | undefined): Promise<void> => {
    if (!cut) return;
    if (signal !== undefined && !signal.aborted) await once(signal, 'abort');
    signal?.throwIfAborted();
  };
  const first = contender(namespace, 'first', {
    get: async (kind, ref, options) => {
      await hang(options?.signal);
      return client.get(kind, ref, options);
    },
    create: async (kind, object, options) => {
      await hang(options?.signal);
      return client.create(kind, object, options);
    },
    mergePatch: async (kind, ref, patch, options) => {
      await hang(options?.signal);
      return client.mergePatch(kind, ref, patch, options);
    },
  });
  await until('the first to lead', () => first.elector.leading);
  const second = contender(namespace, 'second');
  cut = true;
  expect(await first.ended).toBeInstanceOf(LeadershipLost);
  await until('the second to lead', () => second.elector.leading);
  const stopped = first.spans[0]?.to ?? Number.POSITIVE_INFINITY;
  expect(stopped).toBeLessThan(second.spans[0]?.from ?? 0);
});

test('a leader that was paused finds at its return that another one leads, and ends', async () => {
  const namespace = await createNamespace(cluster, 'paused');
  const first = contenderProcess(namespace, 'first');
  await until('the first to lead', () => first.lines.includes('leads'));
  const second = contender(namespace, 'second');
  first.child.kill('SIGSTOP');
  await until('the second to lead', () => second.elector.leading);
  first.child.kill('SIGCONT');
  await once(first.child, 'exit');
  expect(first.lines).toEqual(['leads', 'lost']);
  expect(second.elector.leading).toBe(true);
  expect((await leaseIn(namespace)).spec?.holderIdentity).toBe('second');
});

test('of five who start at once one leads, and a clean stop hands over without the wait', async () => {
  const namespace = await createNamespace(cluster, 'five');
  // Nobody has to wait for the end of a lease here, so that nobody may lose it, either, on a machine that stops for a while.
  const ample = { ...times, leaseDuration: 120_000, renewDeadline: 100_000 };
  const all = Array.from({ length: 5 }, (_, at) => contender(namespace, `number-${at}`, client, ample));
  const leaders = () => all.filter(({ elector }) => elector.leading);
  for (let handover = 0; handover < 4; handover += 1) {
    const leader = await until('a leader', () => leaders()[0]);
    expect(leaders().length).toBe(1);
    leader.stop.abort();
    expect(await leader.ended).toBe('clean');
  }
  await until('the last one', () => leaders()[0]);
  for (const { stop } of all) stop.abort();
  await Promise.all(all.map(({ ended }) => ended));
  const spans = all.flatMap(({ spans }) => spans).toSorted((a, b) => a.from - b.from);
  expect(spans.length).toBe(5);
  for (const [at, span] of spans.slice(1).entries()) expect(spans[at]?.to).toBeLessThanOrEqual(span.from);
  expect((await leaseIn(namespace)).spec).toMatchObject({ holderIdentity: '', leaseTransitions: 4 });
});
