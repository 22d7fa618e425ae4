import { expect, test } from 'vitest';
import { settle } from '../../../support/clock.ts';
import { createLocks } from '../../../support/csi/locks.ts';

function setUp() {
  const locks = createLocks();
  const events: string[] = [];
  const start = (name: string, keys: readonly string[]) => {
    const gate = Promise.withResolvers<void>();
    const done = locks.run(keys, async () => {
      events.push(`${name} begins`);
      await gate.promise;
      events.push(`${name} ends`);
    });
    return { ...gate, done };
  };
  return { events, start };
}

test('work on one key waits for the work before it, work on another does not', async () => {
  const { events, start } = setUp();
  const one = start('one', ['a']);
  const two = start('two', ['a']);
  const three = start('three', ['b']);
  await settle();
  expect(events).toEqual(['one begins', 'three begins']);
  for (const { resolve } of [one, two, three]) resolve();
  await Promise.all([one.done, two.done, three.done]);
  expect(events.indexOf('two begins')).toBeGreaterThan(events.indexOf('one ends'));
});

test('two that want the same keys in another order both come to an end', async () => {
  const { events, start } = setUp();
  const one = start('one', ['a', 'b']);
  const two = start('two', ['b', 'a']);
  one.resolve();
  two.resolve();
  await Promise.all([one.done, two.done]);
  expect(events).toEqual(['one begins', 'one ends', 'two begins', 'two ends']);
});

test('work that fails does not hold up what comes after it', async () => {
  const { start } = setUp();
  const one = start('one', ['a']);
  const two = start('two', ['a']);
  one.reject(new Error('no'));
  two.resolve();
  await expect(one.done).rejects.toThrow('no');
  await expect(two.done).resolves.toBeUndefined();
});
