import { describe, expect, test } from 'vitest';
import { createQueue } from '../../../shared/kube/queue.ts';
import { type Handle, type Outcome, runWorkers } from '../../../shared/kube/workers.ts';
import { FakeClock, settle } from '../../support/clock.ts';

function setup(count: number, handle: Handle<string>) {
  const clock = new FakeClock();
  const queue = createQueue({ clock, random: () => 0, backoff: { base: 10, max: 1000 } });
  const ending = new AbortController();
  const errors: unknown[] = [];
  const ended = runWorkers(queue, count, handle, ending.signal, (error, key) => errors.push([key, error]));
  return { clock, queue, ending, errors, ended };
}

/** A handle that is let go by hand. */
function gate() {
  const inside: string[] = [];
  const open = new Map<string, (outcome: Outcome) => void>();
  const handle: Handle<string> = async (key) => {
    inside.push(key);
    return new Promise((resolve) => {
      open.set(key, (outcome) => {
        inside.splice(inside.indexOf(key), 1);
        resolve(outcome);
      });
    });
  };
  return { inside, handle, release: (key: string) => open.get(key)?.({ kind: 'done' }) };
}

describe('workers', () => {
  test('work on as many keys at once as there are workers', async () => {
    const { inside, handle, release } = gate();
    const { queue } = setup(2, handle);
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await settle();
    expect(inside).toEqual(['a', 'b']);
    release('a');
    await settle();
    expect(inside).toEqual(['b', 'c']);
  });

  test('retry a key no later than its handle asks for', async () => {
    const at: number[] = [];
    const { clock, queue } = setup(1, async () => {
      at.push(clock.elapsed());
      return { kind: 'retry', within: 25 };
    });
    queue.add('a');
    await settle();
    const start = at[0] ?? 0;
    for (let passed = 0; passed < 80; passed += 5) await clock.advance(5);

    expect(at.slice(0, 4).map((time) => time - start)).toEqual([0, 10, 30, 55]);
  });

  test('retry a key whose handle throws, report why, and go on with others', async () => {
    const handled: string[] = [];
    const { clock, queue, errors } = setup(1, async (key) => {
      handled.push(key);
      if (key === 'bad') throw new Error('broken object');
      return { kind: 'done' };
    });
    queue.add('bad');
    queue.add('good');
    await settle();
    expect(handled).toEqual(['bad', 'good']);
    expect(errors).toEqual([['bad', new Error('broken object')]]);
    await clock.advance(10);
    expect(handled).toEqual(['bad', 'good', 'bad']);
    await clock.advance(19);
    expect(handled.length).toBe(3);
    await clock.advance(1);
    expect(handled.length).toBe(4);
  });

  test('do as the outcome says: later, again after a growing while, or nothing', async () => {
    const outcomes: Outcome[] = [{ kind: 'retry' }, { kind: 'after', ms: 500 }, { kind: 'done' }];
    const times: number[] = [];
    const { clock, queue } = setup(1, async () => {
      times.push(clock.elapsed() - start);
      return outcomes.shift() ?? { kind: 'done' };
    });
    const start = clock.elapsed();
    queue.add('a');
    await clock.advance(5000);
    expect(times).toEqual([0, 10, 510]);
    expect(queue.failures('a')).toBe(0);
  });

  test('end with their signal, once what they have in hand is finished', async () => {
    const { inside, handle, release } = gate();
    const { queue, ending, ended, clock } = setup(2, handle);
    queue.add('a');
    queue.addAfter('later', 60_000);
    await settle();
    ending.abort();
    let over = false;
    const watching = (async () => {
      await ended;
      over = true;
    })();
    await settle();
    expect([inside, over]).toEqual([['a'], false]);
    release('a');
    await watching;
    expect(clock.sleeping).toBe(0);
  });

  test('end when the queue is drained', async () => {
    const { queue, ended } = setup(2, async () => ({ kind: 'done' }));
    await queue.drain();
    await expect(ended).resolves.toBeUndefined();
  });
});
