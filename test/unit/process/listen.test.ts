import { fastify } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import { listenAt } from '../../../shared/process/listen.ts';

const server = fastify();
afterEach(async () => {
  await server.close();
});

/** One that cannot listen at some addresses, and says why. */
function without(refused: Readonly<Record<string, string>>): {
  tried: string[];
  server: Parameters<typeof listenAt>[0];
} {
  const tried: string[] = [];
  const listen = async ({ host }: { host: string }): Promise<void> => {
    tried.push(host);
    const code = refused[host];
    if (code !== undefined) throw Object.assign(new Error(`listen ${code}`), { code });
  };
  return { tried, server: { listen, server: { address: () => ({ address: '', family: '', port: 4321 }) } } };
}

describe('listening', () => {
  test('takes a free port and tells which', async () => {
    const port = await listenAt(server, '127.0.0.1', 0);
    expect(port).toBeGreaterThan(0);
    await expect(listenAt(fastify(), '127.0.0.1', port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('at every address is at those of IPv4 where there is no IPv6', async () => {
    const { tried, server: old } = without({ '::': 'EAFNOSUPPORT' });
    expect(await listenAt(old, '::', 0)).toBe(4321);
    expect(tried).toEqual(['::', '0.0.0.0']);
  });

  test.each([
    ['::1', 'EAFNOSUPPORT'],
    ['::', 'EADDRINUSE'],
  ])('at %s fails with %s and is not tried elsewhere', async (host, code) => {
    const { tried, server: busy } = without({ [host]: code });
    await expect(listenAt(busy, host, 80)).rejects.toMatchObject({ code });
    expect(tried).toEqual([host]);
  });
});
