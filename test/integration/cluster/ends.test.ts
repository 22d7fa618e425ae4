import { once } from 'node:events';
import { expect, test } from 'vitest';
import { createApi } from '../../support/cluster/api.ts';
import { startCluster, until } from '../../support/cluster/index.ts';
import { leaksOf } from '../../support/cluster/leaks.ts';
import { startOwner } from '../../support/cluster/owner.ts';

test('two clusters run side by side, know nothing of each other, and leave nothing, stopped once or twice', async () => {
  const both = await Promise.all([
    startCluster({ tier: 'api', name: 'left' }),
    startCluster({ tier: 'api', name: 'right' }),
  ]);
  const [left, right] = both;
  expect(left.server).not.toBe(right.server);
  await left.kubectl(['create', 'namespace', 'only-here']);
  expect((await left.kubectl(['get', 'namespace', 'only-here'])).code).toBe(0);
  expect((await right.kubectl(['get', 'namespace', 'only-here'])).stderr).toContain('not found');
  const stranger = createApi(right.server, right.ca, left.token('admin'));
  await expect(stranger.get('/api/v1/namespaces')).rejects.toMatchObject({ code: 401 });
  await stranger.close();

  await left.stop();
  await left.stop();
  expect(leaksOf(left.address.id)).toEqual([]);
  expect((await right.kubectl(['get', 'namespace', 'default'])).code).toBe(0);
  await right.stop();
  expect(leaksOf(right.address.id)).toEqual([]);
});

test('a cluster whose owner is killed goes too', async () => {
  const { child, id } = await startOwner('api');
  expect(leaksOf(id)).not.toEqual([]);
  child.kill('SIGKILL');
  await until(`${id} to go`, () => leaksOf(id).length === 0);
});

test.for(['SIGINT', 'SIGTERM'] as const)(
  '%s ends the program well, and when it has ended nothing is left',
  async (signal) => {
    const { child, id } = await startOwner('api');
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(leaksOf(id)).toEqual([]);
  },
);

test('a start that fails leaves nothing', async () => {
  const cluster = startCluster({
    tier: 'api',
    name: 'doomed',
    log: () => {
      throw new Error('the listener does not like it');
    },
  });
  await expect(cluster).rejects.toThrow('the listener does not like it');
  expect(leaksOf('clonegate-doomed-')).toEqual([]);
});
