import { describe, expect, test } from 'vitest';
import type { Lease, Stored } from '../../../shared/api/objects.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { createElector, type ElectorOptions, LeadershipLost } from '../../../shared/kube/lease.ts';
import { leases } from '../../../shared/kube/resource.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import { type Interceptor, MemoryApi } from '../../support/memory-client.ts';

const ref = { namespace: 'gate', name: 'controller' };
const log = createLogger({ level: 'silent', name: 'test' });
const start = 1_700_000_000_000;

interface Contender {
  readonly identity: string;
  readonly stop: AbortController;
  readonly isLeading: () => boolean;
  /** How `run` ended: undefined while it runs, 'clean', or the error. */
  readonly ended: () => unknown;
  readonly lost: () => boolean;
  /** Lets the work of the leader end. */
  readonly finish: () => void;
}

/** A world of contenders that notes whether two ever led at once. */
function world() {
  const api = new MemoryApi();
  const clock = new FakeClock(start);
  const leaders = new Set<string>();
  let most = 0;
  const join = (
    identity: string,
    {
      over = {},
      intercept,
      heedsLost = true,
    }: { over?: Partial<ElectorOptions>; intercept?: Interceptor; heedsLost?: boolean } = {},
  ): Contender => {
    const elector = createElector({
      client: api.client(intercept),
      clock,
      random: () => 0,
      log,
      ...ref,
      identity,
      leaseDuration: 15_000,
      renewDeadline: 10_000,
      retryPeriod: 2000,
      ...over,
    });
    const stop = new AbortController();
    let ended: unknown;
    let lost = false;
    let finish = (): void => undefined;
    const running = elector.run(stop.signal, async (signal) => {
      leaders.add(identity);
      most = Math.max(most, leaders.size);
      await new Promise<void>((resolve) => {
        finish = resolve;
        signal.addEventListener('abort', () => {
          lost = true;
          if (heedsLost) resolve();
        });
      });
      leaders.delete(identity);
    });
    void (async () => {
      try {
        await running;
        ended = 'clean';
      } catch (error) {
        ended = error;
      }
    })();
    return {
      identity,
      stop,
      isLeading: () => elector.leading,
      ended: () => ended,
      lost: () => lost,
      finish: () => finish(),
    };
  };
  const lease = (): Stored<Lease> => api.read(leases, ref);
  return { api, clock, join, lease, mostLeaders: () => most };
}

const unreachable = new ApiError('no answer', { code: 0, reason: 'Unreachable' });

describe('an elector', () => {
  test('makes the lease and leads when there is none', async () => {
    const { join, lease } = world();
    const one = join('one');
    await settle();
    expect(one.isLeading()).toBe(true);
    expect(lease().spec).toEqual({
      holderIdentity: 'one',
      leaseDurationSeconds: 15,
      acquireTime: '2023-11-14T22:13:20.000000Z',
      renewTime: '2023-11-14T22:13:20.000000Z',
      leaseTransitions: 0,
    });
  });

  test('renews with one request every retry period and leaves the rest of the record alone', async () => {
    const { api, clock, join, lease } = world();
    join('one');
    await settle();
    const before = api.calls.length;
    await clock.advance(20_000);
    expect(api.calls.slice(before).map(({ verb }) => verb)).toEqual(Array.from({ length: 10 }, () => 'patch'));
    expect(lease().spec).toMatchObject({
      acquireTime: '2023-11-14T22:13:20.000000Z',
      renewTime: '2023-11-14T22:13:40.000000Z',
      leaseTransitions: 0,
    });
  });

  test('waits while another one leads, however long', async () => {
    const { clock, join, mostLeaders } = world();
    const one = join('one');
    await settle();
    const two = join('two');
    await clock.advance(600_000);
    expect([one.isLeading(), two.isLeading(), mostLeaders()]).toEqual([true, false, 1]);
  });

  test('takes over from a killed leader after the lease duration, not before', async () => {
    const { clock, join, lease } = world();
    let killed = false;
    const dead: Interceptor = async () => {
      if (killed) await new Promise(() => undefined);
    };
    const one = join('one', { intercept: dead, over: { log } });
    await settle();
    const two = join('two');
    await clock.advance(4000);
    killed = true; // the last renewal was at 4 s, seen by the other at 4 s
    await clock.advance(14_000);
    expect(two.isLeading()).toBe(false);
    await clock.advance(4000);
    expect(two.isLeading()).toBe(true);
    expect(lease().spec).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
    expect(one.ended()).toBeInstanceOf(LeadershipLost);
  });

  test('steps down at the renew deadline when it is cut off, before the other one starts', async () => {
    const { clock, join, mostLeaders } = world();
    let cut = false;
    const one = join('one', {
      intercept: () => {
        if (cut) throw unreachable;
      },
    });
    await settle();
    const two = join('two');
    await clock.advance(4000);
    cut = true;
    await clock.advance(9_999);
    expect([one.isLeading(), one.lost()]).toEqual([true, false]);
    await clock.advance(1);
    expect([one.isLeading(), one.lost()]).toEqual([false, true]);
    expect(one.ended()).toBeInstanceOf(LeadershipLost);
    await clock.advance(10_000);
    expect([two.isLeading(), mostLeaders()]).toEqual([true, 1]);
  });

  test('survives failures that are shorter than the renew deadline', async () => {
    const { clock, join } = world();
    let cut = false;
    const one = join('one', {
      intercept: () => {
        if (cut) throw unreachable;
      },
    });
    await settle();
    for (let time = 0; time < 10; time += 1) {
      cut = true;
      await clock.advance(7000);
      cut = false;
      await clock.advance(3000);
    }
    expect([one.isLeading(), one.ended()]).toEqual([true, undefined]);
  });

  test('does not believe a renewal whose answer was lost, beyond what it knows to have written', async () => {
    const { api, clock, join } = world();
    let broken = false;
    // Writes arrive but their answers do not; reads work.
    const one = join('one', {
      intercept: async ({ verb, body }) => {
        if (!broken || verb === 'get') return;
        const { metadata } = api.read(leases, ref);
        await api.client().mergePatch(leases, ref, body as object, { preconditions: { uid: metadata.uid } });
        throw unreachable;
      },
    });
    await settle();
    broken = true;
    await clock.advance(9_999);
    expect(one.isLeading()).toBe(true);
    await clock.advance(1);
    expect(one.ended()).toBeInstanceOf(LeadershipLost);
  });

  test('steps down at once when it finds another holder in the record', async () => {
    const { api, clock, join } = world();
    const one = join('one');
    await settle();
    await api.client().mergePatch(leases, ref, { spec: { holderIdentity: 'intruder' } });
    await clock.advance(2000);
    expect(one.ended()).toEqual(new LeadershipLost('the lease is held by intruder'));
  });

  test('goes on leading when others touch the object or delete it', async () => {
    const { api, clock, join, lease } = world();
    const one = join('one');
    await settle();
    await api.client().mergePatch(leases, ref, { metadata: { labels: { seen: 'yes' } } });
    await clock.advance(2000);
    api.remove(leases, ref);
    await clock.advance(2000);
    expect(one.isLeading()).toBe(true);
    expect(lease().spec?.holderIdentity).toBe('one');
  });

  test('judges the age of a record by its own clock, not by the times in it', async () => {
    const { api, clock, join } = world();
    const spec = { holderIdentity: 'ghost', leaseDurationSeconds: 15, renewTime: '1999-01-01T00:00:00.000000Z' };
    await api.client().create(leases, { metadata: ref, spec });
    const one = join('one');
    await clock.advance(14_999);
    expect(one.isLeading()).toBe(false);
    await clock.advance(3000);
    expect(one.isLeading()).toBe(true);
  });

  test('finds after a suspension that its time is over, although its own running time stood still', async () => {
    const { clock, join } = world();
    const suspended = { jump: 0 };
    const odd = {
      now: () => clock.now() + suspended.jump,
      elapsed: () => clock.elapsed(),
      sleep: clock.sleep.bind(clock),
    };
    const one = join('one', { over: { clock: odd } });
    await settle();
    suspended.jump = 60_000;
    await clock.advance(2000);
    expect(one.ended()).toBeInstanceOf(LeadershipLost);
  });

  test('released on a clean stop, lets the next one start at its next try', async () => {
    const { clock, join, lease, mostLeaders } = world();
    const one = join('one');
    await settle();
    const two = join('two');
    await settle();
    one.stop.abort();
    await settle();
    expect(one.ended()).toBe('clean');
    expect(lease().spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
    await clock.advance(2000);
    expect([two.isLeading(), mostLeaders()]).toEqual([true, 1]);
    expect(lease().spec).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
  });

  test('keeps the lease as long as its work has not ended, also after the stop', async () => {
    const { clock, join, lease, mostLeaders } = world();
    const one = join('one', { heedsLost: false });
    await settle();
    const two = join('two');
    one.stop.abort();
    await clock.advance(60_000);
    expect([one.ended(), two.isLeading(), lease().spec?.holderIdentity]).toEqual([undefined, false, 'one']);
    one.finish();
    await clock.advance(2000);
    expect([one.ended(), two.isLeading(), mostLeaders()]).toEqual(['clean', true, 1]);
  });

  test('stops waiting when it is told to', async () => {
    const { clock, join } = world();
    join('one');
    await settle();
    const two = join('two');
    await settle();
    two.stop.abort();
    await settle();
    expect(two.ended()).toBe('clean');
    expect(clock.sleeping).toBe(1); // the leader's own
  });

  test('releases the lease and passes the error on when its work fails', async () => {
    const { clock, lease, api } = world();
    const elector = createElector({
      client: api.client(),
      clock,
      random: () => 0,
      log,
      ...ref,
      identity: 'one',
      leaseDuration: 15_000,
      renewDeadline: 10_000,
      retryPeriod: 2000,
    });
    const broken = elector.run(new AbortController().signal, async () => {
      throw new Error('broken');
    });
    await expect(broken).rejects.toThrow('broken');
    expect(lease().spec?.holderIdentity).toBe('');
  });

  test('of several who start together, one leads', async () => {
    const { clock, join, mostLeaders } = world();
    const all = ['one', 'two', 'three'].map((identity) => join(identity));
    await clock.advance(100_000);
    expect(all.filter(({ isLeading }) => isLeading()).length).toBe(1);
    expect(mostLeaders()).toBe(1);
  });

  test('tells whether it leads as a metric', async () => {
    const { join } = world();
    const metrics = createMetrics({ process: false });
    const one = join('one', { over: { metrics } });
    await settle();
    expect(await metrics.registry.metrics()).toContain('leader_election_master_status{name="controller"} 1');
    one.stop.abort();
    await settle();
    expect(await metrics.registry.metrics()).toContain('leader_election_master_status{name="controller"} 0');
  });

  test('refuses times that do not fit together', () => {
    const { join } = world();
    expect(() => join('one', { over: { renewDeadline: 15_000 } })).toThrow(RangeError);
  });
});
