import { describe, expect, test } from 'vitest';
import type { Event, Stored } from '../../../shared/api/objects.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { createRecorder, type Emission, type RecorderOptions } from '../../../shared/kube/events.ts';
import { events } from '../../../shared/kube/resource.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import { type Interceptor, MemoryApi } from '../../support/memory-client.ts';

/** The start of a window of ten minutes. */
const start = 1_700_000_400_000;

function emission(over: Partial<Emission> = {}): Emission {
  return {
    namespace: 'tenant',
    regarding: { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', namespace: 'tenant', name: 'dv' },
    reason: 'CloneDenied',
    action: 'Authorize',
    type: 'Warning',
    note: 'user "jane" may not clone golden/win',
    ...over,
  };
}

function world() {
  const api = new MemoryApi();
  const clock = new FakeClock(start);
  const metrics = createMetrics({ process: false });
  const join = (intercept?: Interceptor, over: Partial<RecorderOptions> = {}) =>
    createRecorder({
      client: api.client(intercept),
      clock,
      log: createLogger({ level: 'silent', name: 'test' }),
      metrics,
      reportingController: 'clonegate.io/webhook',
      reportingInstance: 'webhook-1',
      ...over,
    });
  const stored = (namespace = 'tenant'): Stored<Event>[] => api.list(events, namespace);
  const figures = async (name: string): Promise<string[]> => {
    const lines = (await metrics.registry.metrics()).split('\n');
    return lines.filter((line) => line.startsWith(`${name}{`)).map((line) => line.slice(name.length));
  };
  return { api, clock, join, stored, figures };
}

const answer = (code: number, reason: string) => new ApiError(reason, { code, reason });

describe('a recorder', () => {
  test('writes an event soon, and not while the caller waits', async () => {
    const { api, join, stored, figures } = world();
    const recorder = join();
    recorder.emit(emission());
    expect(api.calls).toEqual([]);
    await settle();
    expect(stored()).toMatchObject([
      { reason: 'CloneDenied', eventTime: expect.stringMatching(/^2023-11-14T22:20:00\.000\d{3}Z$/u) },
    ]);
    expect(stored()[0]?.series).toBeUndefined();
    expect(await figures('clonegate_events_total')).toEqual(['{type="Warning",reason="CloneDenied"} 1']);
  });

  test('makes repetitions a series, with few writes and the right count', async () => {
    const { api, clock, join, stored, figures } = world();
    const recorder = join();
    for (let second = 0; second < 60; second += 1) {
      for (let each = 0; each < 10; each += 1) recorder.emit(emission());
      await clock.advance(1000);
    }
    await recorder.flush(1000);
    expect(stored().length).toBe(1);
    expect(stored()[0]?.series).toEqual({
      count: 600,
      lastObservedTime: expect.stringContaining('2023-11-14T22:20:59.000'),
    });
    expect(api.calls.length).toBeLessThan(16);
    expect(await figures('clonegate_events_total')).toEqual(['{type="Warning",reason="CloneDenied"} 600']);
  });

  test('counts a repetition after a long silence at once', async () => {
    const { clock, join, stored } = world();
    const recorder = join();
    recorder.emit(emission());
    await clock.advance(60_000);
    recorder.emit(emission());
    await settle();
    expect(stored()[0]?.series?.count).toBe(2);
  });

  test('begins a new event in the next window', async () => {
    const { clock, join, stored } = world();
    const recorder = join();
    recorder.emit(emission());
    await clock.advance(599_999);
    recorder.emit(emission());
    await clock.advance(1);
    recorder.emit(emission());
    await settle();
    expect(stored().map(({ series }) => series?.count)).toEqual([2, undefined]);
  });

  test('keeps different objects apart unless the caller gives a key', async () => {
    const { join, stored } = world();
    const recorder = join();
    for (const name of ['a', 'b']) recorder.emit(emission({ regarding: { name }, reason: 'CloneRejected' }));
    for (const name of ['a', 'b', 'c']) recorder.emit(emission({ regarding: { name }, key: 'jane golden/win' }));
    await recorder.flush(1000);
    expect(stored().map(({ reason, series }) => [reason, series?.count])).toEqual([
      ['CloneRejected', undefined],
      ['CloneRejected', undefined],
      ['CloneDenied', 3],
    ]);
  });

  test('meets another replica in one event, and their counts add up', async () => {
    const { clock, join, stored } = world();
    const one = join();
    const two = join(undefined, { reportingInstance: 'webhook-2' });
    for (let round = 0; round < 50; round += 1) {
      one.emit(emission());
      two.emit(emission());
      two.emit(emission());
      await clock.advance(1000);
    }
    await Promise.all([one.flush(1000), two.flush(1000)]);
    expect(stored().map(({ series }) => series?.count)).toEqual([150]);
  });

  test('meets another replica also when each saw it once, in the same moment', async () => {
    const { clock, join, stored } = world();
    const recorders = [join(), join(undefined, { reportingInstance: 'webhook-2' })];
    for (let sum = 2; sum <= 10; sum += 2) {
      for (const recorder of recorders) recorder.emit(emission());
      await clock.advance(5000);
      expect(stored().map(({ series }) => series?.count)).toEqual([sum]);
    }
  });

  test("does not take another replica's count for its own", async () => {
    const { clock, join, stored } = world();
    const [one, two] = [join(), join(undefined, { reportingInstance: 'webhook-2' })];
    one.emit(emission());
    await settle();
    two.emit(emission());
    await clock.advance(5000);
    one.emit(emission()); // would make it two, which it is already
    await settle();
    expect(stored()[0]?.series?.count).toBe(3);
  });

  test('keeps the latest time of replicas whose clocks differ', async () => {
    const { clock, join, stored } = world();
    const ahead = { now: () => clock.now() + 3000, elapsed: () => clock.elapsed(), sleep: clock.sleep.bind(clock) };
    const one = join(undefined, { clock: ahead });
    one.emit(emission());
    one.emit(emission());
    await settle();
    join(undefined, { reportingInstance: 'webhook-2' }).emit(emission());
    await settle();
    expect(stored()[0]?.series).toEqual({
      count: 3,
      lastObservedTime: expect.stringContaining('2023-11-14T22:20:03.000'),
    });
  });

  test.each(['create', 'patch'] as const)(
    'counts once what a %s brought although its answer was lost',
    async (lossy) => {
      const { api, clock, join, stored } = world();
      let lost = 0;
      const recorder = join(async ({ verb, body, namespace = '', name }) => {
        if (verb !== lossy || lost > 0) return;
        lost += 1;
        if (verb === 'create') await api.client().create(events, body as Event);
        else await api.client().mergePatch(events, { namespace, name }, body as object);
        recorder.emit(emission());
        throw answer(0, 'Unreachable');
      });
      recorder.emit(emission());
      await clock.advance(20_000);
      recorder.emit(emission());
      await clock.advance(20_000);
      expect(lost).toBe(1);
      expect(stored().map(({ series }) => series?.count)).toEqual([3]);
    },
  );

  test('loses nothing that happens while it writes', async () => {
    const { clock, join, stored } = world();
    let emitted = 0;
    const recorder = join(() => {
      if (emitted < 3) recorder.emit(emission());
      emitted += 1;
    });
    recorder.emit(emission());
    await clock.advance(60_000);
    expect(stored()[0]?.series?.count).toBe(4);
  });

  test('makes the event again when it was deleted meanwhile', async () => {
    const { api, clock, join, stored } = world();
    const recorder = join();
    recorder.emit(emission());
    await settle();
    api.remove(events, { namespace: 'tenant', name: stored()[0]?.metadata.name ?? '' });
    recorder.emit(emission());
    await clock.advance(10_000);
    expect(stored().length).toBe(1);
  });

  test('does not let a stranger hide it behind an event of the same name', async () => {
    const { api, join, stored } = world();
    const probe = join();
    probe.emit(emission());
    await settle();
    for (const { metadata, ...ours } of stored()) {
      api.remove(events, metadata);
      const { namespace = '', name } = metadata;
      await api.client().create(events, { ...ours, metadata: { namespace, name }, reportingController: 'x.io/y' });
    }
    join().emit(emission());
    await settle();
    expect(stored().map(({ reportingController }) => reportingController)).toEqual(['x.io/y', 'clonegate.io/webhook']);
  });

  test('takes the fallback namespace when the own one does not take events', async () => {
    const { join, stored, figures } = world();
    const recorder = join(
      ({ namespace }) => {
        if (namespace === 'tenant') throw answer(404, 'NotFound');
        if (namespace === 'closed') throw answer(403, 'Forbidden');
      },
      { fallbackNamespace: 'gate' },
    );
    recorder.emit(emission());
    recorder.emit(emission());
    recorder.emit(emission({ namespace: 'closed' }));
    await recorder.flush(1000);
    expect(stored('gate').map(({ series, regarding }) => [regarding.namespace, series?.count])).toEqual([
      ['tenant', 2],
      ['tenant', undefined],
    ]);
    expect(await figures('clonegate_events_redirected_total')).toEqual([
      '{cause="not-found"} 1',
      '{cause="forbidden"} 1',
    ]);
  });

  test('counts what is refused everywhere, and does not ask again for the rest of the window', async () => {
    const { api, clock, join, figures } = world();
    const recorder = join(
      () => {
        throw answer(403, 'Forbidden');
      },
      { fallbackNamespace: 'gate' },
    );
    recorder.emit(emission());
    await settle();
    const calls = api.calls.length;
    recorder.emit(emission());
    await clock.advance(60_000);
    expect(api.calls.length).toBe(calls);
    expect(await figures('clonegate_events_dropped_total')).toEqual(['{cause="refused"} 2']);
  });

  test('tries again while the API server is away, then gives up and counts', async () => {
    const { clock, join, stored, figures } = world();
    let away = true;
    const recorder = join(() => {
      if (away) throw answer(0, 'Unreachable');
    });
    recorder.emit(emission());
    await clock.advance(1000);
    away = false;
    await clock.advance(60_000);
    expect(stored().length).toBe(1);
    away = true;
    recorder.emit(emission());
    await clock.advance(60_000);
    expect(await figures('clonegate_events_dropped_total')).toEqual(['{cause="unreachable"} 1']);
    away = false;
    recorder.emit(emission());
    await clock.advance(60_000);
    expect(stored()[0]?.series?.count).toBe(2);
  });

  test('keeps one user from flooding it, and says so in one event', async () => {
    const { clock, join, stored, figures } = world();
    const recorder = join(undefined, {
      fallbackNamespace: 'gate',
      budgets: { each: { burst: 5, perSecond: 1 }, all: { burst: 100, perSecond: 1 } },
    });
    const flood = (user: string, count: number): void => {
      for (let at = 0; at < count; at += 1) {
        recorder.emit(emission({ regarding: { name: `dv-${user}-${at}` }, budgetKey: user }));
      }
    };
    flood('jane', 1000);
    flood('joe', 2);
    await clock.advance(10_000);
    expect(stored().length).toBe(7);
    expect(stored('gate')).toMatchObject([{ reason: 'EventsSuppressed', series: { count: 995 } }]);
    expect(await figures('clonegate_events_dropped_total')).toEqual(['{cause="key-budget"} 995']);
  });

  test('has a budget for all together', async () => {
    const { join, stored, figures } = world();
    const budgets = { all: { burst: 10, perSecond: 1 } };
    const recorder = join(undefined, { budgets, fallbackNamespace: 'gate' });
    for (let at = 0; at < 50; at += 1) recorder.emit(emission({ regarding: { name: `dv-${at}` }, budgetKey: `${at}` }));
    await recorder.flush(1000);
    expect(stored().length).toBe(10);
    expect(stored('gate').map(({ series }) => series?.count)).toEqual([40]);
    expect(await figures('clonegate_events_dropped_total')).toEqual(['{cause="global-budget"} 40']);
  });

  test('puts counts off while there is no budget for them', async () => {
    const { clock, join, stored } = world();
    const recorder = join(undefined, { budgets: { all: { burst: 1, perSecond: 0.05 } } });
    recorder.emit(emission());
    await clock.advance(6000);
    for (let each = 0; each < 5; each += 1) recorder.emit(emission());
    await clock.advance(10_000);
    expect(stored()[0]?.series).toBeUndefined();
    await clock.advance(10_000);
    expect(stored()[0]?.series?.count).toBe(6);
  });

  test('holds only so many events that wait, and counts the others', async () => {
    const { join, figures } = world();
    const recorder = join(async () => new Promise(() => undefined), { budgets: { all: { burst: 1e6, perSecond: 1 } } });
    for (let at = 0; at < 2000; at += 1) recorder.emit(emission({ regarding: { name: `dv-${at}` } }));
    expect(await figures('clonegate_events_dropped_total')).toEqual(['{cause="queue-full"} 976']);
  });

  test('survives an emission that cannot even be read', async () => {
    const { join, figures } = world();
    const hostile = emission();
    Object.defineProperty(hostile, 'regarding', {
      get: () => {
        throw new Error('surprise');
      },
    });
    expect(() => join().emit(hostile)).not.toThrow();
    expect(await figures('clonegate_events_dropped_total')).toEqual(['{cause="internal"} 1']);
  });

  test('flushes what it has put off, and gives up at the deadline', async () => {
    const { clock, join, stored } = world();
    let stuck = false;
    const recorder = join(async () => {
      if (stuck) await new Promise(() => undefined);
    });
    recorder.emit(emission());
    await settle();
    recorder.emit(emission());
    await settle();
    expect(stored()[0]?.series).toBeUndefined();
    await recorder.flush(1000);
    expect(stored()[0]?.series?.count).toBe(2);
    stuck = true;
    recorder.emit(emission());
    let over = false;
    const flushing = (async () => {
      await recorder.flush(1000);
      over = true;
    })();
    await clock.advance(999);
    expect(over).toBe(false);
    await clock.advance(1);
    await flushing;
  });

  test('closed, writes what it has, counts the rest and leaves no timer', async () => {
    const { clock, join, stored, figures } = world();
    const recorder = join(async ({ name, signal }) => {
      if (name !== stored()[0]?.metadata.name && stored().length > 0) {
        await new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('aborted')));
        });
      }
    });
    recorder.emit(emission());
    await settle();
    recorder.emit(emission());
    recorder.emit(emission({ note: 'stuck' }));
    const closing = recorder.close(1000);
    await clock.advance(1000);
    await closing;
    recorder.emit(emission({ note: 'too late' }));
    expect(stored().map(({ series }) => series?.count)).toEqual([2]);
    expect(await figures('clonegate_events_dropped_total')).toEqual(['{cause="shutdown"} 2']);
    expect(clock.sleeping).toBe(0);
  });
});
