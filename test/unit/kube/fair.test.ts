import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLine } from '../../../shared/kube/fair.ts';
import { createQueue } from '../../../shared/kube/queue.ts';
import { FakeClock } from '../../support/clock.ts';

const namespaceOf = (key: string): string => key.split('/', 1)[0] ?? '';

function lineOf(...keys: readonly string[]) {
  const line = createLine<string>(namespaceOf);
  for (const [index, key] of keys.entries()) line.add(key, index);
  return line;
}

function takeAll(line: ReturnType<typeof lineOf>): readonly string[] {
  const taken: string[] = [];
  for (let next = line.take(); next !== undefined; next = line.take()) taken.push(next.key);
  return taken;
}

describe('a line', () => {
  test('lets groups take turns, and keys of a group come in their order', () => {
    expect(takeAll(lineOf('a/1', 'a/2', 'a/3', 'b/1', 'c/1', 'b/2'))).toEqual([
      'a/1',
      'b/1',
      'c/1',
      'a/2',
      'b/2',
      'a/3',
    ]);
  });

  test('lets a newcomer in before the rest of a long group', () => {
    const line = lineOf(...Array.from({ length: 1000 }, (_, index) => `crowd/${index}`));
    line.take();
    line.add('small/1', 0);

    expect([line.take()?.key, line.take()?.key]).toEqual(['crowd/1', 'small/1']);
  });

  test('knows what is in it, once each, and since when', () => {
    const line = lineOf('a/1', 'b/1', 'a/1');

    expect([line.size, line.has('a/1'), line.has('a/2')]).toEqual([2, true, false]);
    expect(line.take()).toEqual({ key: 'a/1', since: 0 });
    expect([line.size, line.has('a/1')]).toEqual([1, false]);
    line.clear();
    expect([line.size, line.has('b/1'), line.take()]).toEqual([0, false, undefined]);
  });

  test('never lets a group have two turns while another that waits has none', () => {
    const key = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(20)).map(([group, n]) => `${group}/${n}`);
    fc.assert(
      fc.property(fc.array(key, { maxLength: 60 }), (keys) => {
        const line = lineOf(...keys);
        const taken = takeAll(line);
        expect(taken.toSorted()).toEqual([...new Set(keys)].toSorted());
        for (const [index, one] of taken.entries()) {
          const next = taken.findIndex((other, at) => at > index && namespaceOf(other) === namespaceOf(one));
          if (next < 0) continue;
          const between = taken.slice(index + 1, next).map(namespaceOf);
          const waiting = new Set(taken.slice(next).map(namespaceOf));
          waiting.delete(namespaceOf(one));
          for (const group of waiting) expect(between).toContain(group);
        }
      }),
    );
  });
});

test('a queue whose keys are grouped hands them out in turn, and one that is worked on again waits for its turn', async () => {
  const queue = createQueue({ clock: new FakeClock(), random: () => 0, groupOf: namespaceOf });
  for (const key of ['a/1', 'a/2', 'b/1']) queue.add(key);

  const first = await queue.next();
  queue.add(first);
  queue.done(first);

  expect([first, await queue.next(), await queue.next(), await queue.next()]).toEqual(['a/1', 'b/1', 'a/2', 'a/1']);
});
