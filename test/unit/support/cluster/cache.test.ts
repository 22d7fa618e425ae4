import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cached, cacheRoot } from '../../../support/cluster/cache.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cache-test-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (text: string) => async (folder: string) => writeFileSync(join(folder, 'file'), text);
const unexpected = (line: string) => expect.unreachable(line);

test('it is made once and found the next time', async () => {
  const first = await cached({ root, name: 'thing', make: write('first'), onWait: unexpected });
  const second = await cached({ root, name: 'thing', make: write('second'), onWait: unexpected });
  expect(second).toBe(first);
  expect(readFileSync(join(second, 'file'), 'utf8')).toBe('first');
});

test('one that failed halfway is not taken for done, and the next try finds what it left', async () => {
  const interrupted = async (folder: string): Promise<void> => {
    await write('half')(folder);
    throw new Error('power cut');
  };
  await expect(cached({ root, name: 'thing', make: interrupted, onWait: unexpected })).rejects.toThrow('power cut');
  expect(existsSync(join(root, 'thing'))).toBe(false);
  const left: string[] = [];
  await cached({
    root,
    name: 'thing',
    make: async (folder) => {
      left.push(...readdirSync(folder));
    },
    onWait: unexpected,
  });
  expect(left).toEqual(['file']);
});

test('two that come at once make it once, and the second says that it waits', async () => {
  const said: string[] = [];
  let made = 0;
  const make = async (): Promise<void> => {
    made += 1;
    // The other one has said that it waits before this one goes on.
    await expect.poll(() => said.length).toBe(1);
  };
  const both = await Promise.all(
    [1, 2].map(() => cached({ root, name: 'thing', make, onWait: (line) => said.push(line) })),
  );
  expect(both).toEqual([join(root, 'thing'), join(root, 'thing')]);
  expect(made).toBe(1);
});

test.for<[NodeJS.ProcessEnv, RegExp]>([
  [{ CLONEGATE_CACHE: '/a', XDG_CACHE_HOME: '/b' }, /^\/a$/],
  [{ XDG_CACHE_HOME: '/b' }, /^\/b\/clonegate$/],
  [{}, /\/\.cache\/clonegate$/],
])('the cache of %j is %s', ([env, expected]) => {
  expect(cacheRoot(env)).toMatch(expected);
});
