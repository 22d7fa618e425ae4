import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createQueue, type Queue, QueueDrained } from '../../../shared/kube/queue.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { FakeClock, settle } from '../../support/clock.ts';

function setup(over: { random?: () => number; backoff?: { base: number; max: number } } = {}) {
  const clock = new FakeClock();
  return { clock, queue: createQueue({ clock, random: () => 0, ...over }) };
}

/** What the queue would give at once, without marking it done. */
async function takeAll(queue: Queue): Promise<string[]> {
  const taken: string[] = [];
  while (queue.size > 0) taken.push(await queue.next());
  return taken;
}

/** When each key comes, in milliseconds from now, watching for `span` milliseconds. */
async function comings(clock: FakeClock, queue: Queue, span: number, step = 1): Promise<Record<string, number[]>> {
  const start = clock.elapsed();
  const seen: Record<string, number[]> = {};
  for (let passed = 0; passed <= span; passed += step) {
    for (const key of await takeAll(queue)) {
      (seen[key] ??= []).push(clock.elapsed() - start);
      queue.done(key);
    }
    await clock.advance(step);
  }
  return seen;
}

describe('a work queue', () => {
  test('gives keys in the order in which they came, each once', async () => {
    const { queue } = setup();
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
    expect(await takeAll(queue)).toEqual(['a', 'b', 'c']);
  });

  test('locks a key that is worked on, and gives it again when it was added meanwhile', async () => {
    const { queue } = setup();
    queue.add('a');
    expect(await queue.next()).toBe('a');
    queue.add('a');
    queue.add('a');
    expect(queue.size).toBe(0);
    queue.done('a');
    expect(await takeAll(queue)).toEqual(['a']);
    queue.done('a');
    expect(queue.size).toBe(0);
  });

  test('puts a key that comes again behind those that wait', async () => {
    const { queue } = setup();
    queue.add('a');
    await queue.next();
    queue.add('a');
    queue.add('b');
    queue.done('a');
    expect(await takeAll(queue)).toEqual(['b', 'a']);
  });

  test('serves those who wait in the order in which they asked', async () => {
    const { queue } = setup();
    const asked = [queue.next(), queue.next()];
    queue.add('a');
    queue.add('b');
    expect(await Promise.all(asked)).toEqual(['a', 'b']);
  });

  test('lets a waiter go when its signal aborts, and loses no key to it', async () => {
    const { queue } = setup();
    const gone = new AbortController();
    const waiting = queue.next(gone.signal);
    gone.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(queue.next(gone.signal)).rejects.toThrow('enough');
    queue.add('a');
    expect(await queue.next()).toBe('a');
  });

  test('brings a delayed key at its time', async () => {
    const { clock, queue } = setup();
    queue.addAfter('late', 50);
    queue.addAfter('early', 20);
    queue.addAfter('now', 0);
    expect(await comings(clock, queue, 100)).toEqual({ now: [0], early: [20], late: [50] });
    expect(clock.sleeping).toBe(0);
  });

  test('keeps the earliest of several times', async () => {
    const { clock, queue } = setup();
    queue.addAfter('a', 50);
    queue.addAfter('a', 20);
    queue.addAfter('a', 80);
    queue.addAfter('b', 30);
    queue.add('b');
    expect(await comings(clock, queue, 100)).toEqual({ a: [20], b: [0] });
  });

  test('remembers a delay that ends while the key is worked on', async () => {
    const { clock, queue } = setup();
    queue.add('a');
    await queue.next();
    queue.addAfter('a', 10);
    await clock.advance(20);
    expect(queue.size).toBe(0);
    queue.done('a');
    expect(queue.size).toBe(1);
  });

  test('waits longer than one timer can', async () => {
    const { clock, queue } = setup();
    const days = 40 * 24 * 3_600_000;
    queue.addAfter('a', days);
    await clock.advance(days - 1);
    expect(queue.size).toBe(0);
    await clock.advance(1);
    expect(queue.size).toBe(1);
  });

  test('doubles the delay with each failure up to the maximum, and starts over after a success', async () => {
    const { clock, queue } = setup({ backoff: { base: 5, max: 50 } });
    const delays: number[] = [];
    for (let failure = 0; failure < 6; failure += 1) {
      const start = clock.elapsed();
      queue.addRateLimited('a');
      while (queue.size === 0) await clock.advance(1);
      delays.push(clock.elapsed() - start);
      queue.done(await queue.next());
    }
    expect(delays).toEqual([5, 10, 20, 40, 50, 50]);
    expect(queue.failures('a')).toBe(6);
    queue.forget('a');
    queue.addRateLimited('a');
    expect(await comings(clock, queue, 10)).toEqual({ a: [5] });
  });

  test('takes a random part off the delay so that keys part company', async () => {
    const { clock, queue } = setup({ random: () => 0.999, backoff: { base: 100, max: 1000 } });
    queue.addRateLimited('a');
    await clock.advance(80);
    expect(queue.size).toBe(0);
    await clock.advance(1);
    expect(queue.size).toBe(1);
  });

  test('drained, hands out nothing and waits for what was handed out', async () => {
    const { clock, queue } = setup();
    queue.add('a');
    await queue.next();
    queue.add('b');
    queue.addAfter('c', 10);
    let drained = false;
    const draining = (async () => {
      await queue.drain();
      drained = true;
    })();
    await settle();
    expect(drained).toBe(false);
    expect(clock.sleeping).toBe(0);
    await expect(queue.next()).rejects.toThrow(QueueDrained);
    queue.add('d');
    queue.done('a');
    await draining;
    expect(queue.size).toBe(0);
  });

  test('drained, sends those who wait away', async () => {
    const { queue } = setup();
    const waiting = queue.next();
    await queue.drain();
    await expect(waiting).rejects.toThrow(QueueDrained);
  });

  test('counts what it does', async () => {
    const clock = new FakeClock();
    const metrics = createMetrics({ process: false });
    const queue = createQueue({ clock, random: () => 0, name: 'q', metrics });
    queue.add('a');
    queue.add('b');
    queue.addRateLimited('c');
    await clock.advance(2000);
    await queue.next();
    await clock.advance(3000);
    queue.done('a');
    const text = await metrics.registry.metrics();
    expect(text).toContain('workqueue_adds_total{name="q"} 3');
    expect(text).toContain('workqueue_depth{name="q"} 2');
    expect(text).toContain('workqueue_retries_total{name="q"} 1');
    expect(text).toContain('workqueue_queue_duration_seconds_sum{name="q"} 2');
    expect(text).toContain('workqueue_work_duration_seconds_sum{name="q"} 3');
  });
});

type Step =
  | { readonly do: 'add'; readonly key: string }
  | { readonly do: 'after'; readonly key: string; readonly ms: number }
  | { readonly do: 'fail'; readonly key: string }
  | { readonly do: 'take' }
  | { readonly do: 'done'; readonly at: number }
  | { readonly do: 'wait'; readonly ms: number };

const key = fc.constantFrom('a', 'b', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  key.map((key) => ({ do: 'add' as const, key })),
  fc.tuple(key, fc.nat(100)).map(([key, ms]) => ({ do: 'after' as const, key, ms })),
  key.map((key) => ({ do: 'fail' as const, key })),
  fc.constant({ do: 'take' as const }),
  fc.nat(3).map((at) => ({ do: 'done' as const, at })),
  fc.nat(40).map((ms) => ({ do: 'wait' as const, ms })),
);

describe('whatever is done to a work queue', () => {
  test('no key is ever with two workers, and no key that was asked for is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, queue } = setup();
        const working: string[] = [];
        const owed = new Set<string>();
        const take = async (): Promise<void> => {
          if (queue.size === 0) return;
          const key = await queue.next();
          expect(working).not.toContain(key);
          working.push(key);
          owed.delete(key);
        };
        for (const step of steps) {
          if (step.do === 'add') queue.add(step.key);
          if (step.do === 'after') queue.addAfter(step.key, step.ms);
          if (step.do === 'fail') queue.addRateLimited(step.key);
          if ('key' in step) owed.add(step.key);
          if (step.do === 'take') await take();
          if (step.do === 'done') for (const key of working.splice(step.at, 1)) queue.done(key);
          if (step.do === 'wait') await clock.advance(step.ms);
        }
        for (const key of working.splice(0)) queue.done(key);
        await clock.advance(1_000_000);
        while (queue.size > 0) await take();
        expect([...owed]).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
