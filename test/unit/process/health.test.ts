import { afterEach, describe, expect, test } from 'vitest';
import { createHealth, type Health, type OpsServer, opsServer } from '../../../shared/process/health.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

interface Running {
  readonly health: Health;
  readonly server: OpsServer;
  readonly ending: AbortController;
  readonly get: (path: string) => Promise<{ status: number; type: string | null; body: string }>;
}

async function start(): Promise<Running> {
  const health = createHealth();
  const ending = new AbortController();
  const server = opsServer({ host: '127.0.0.1', port: 0, health, metrics: createMetrics({ process: false }) });
  await server.start(ending.signal, () => undefined);
  cleanups.push(() => server.stop());
  return {
    health,
    server,
    ending,
    get: async (path) => {
      const answer = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
    },
  };
}

describe('the ops server', () => {
  test('is alive and ready when nothing speaks against it', async () => {
    const { get } = await start();
    expect(await get('/livez')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await get('/readyz')).toMatchObject({ status: 200, body: 'ok\n' });
  });

  test('is not ready while a check fails, and says which and why', async () => {
    const { get, health } = await start();
    let synced = false;
    health.check('stores', () => synced || 'storageclasses not listed yet');
    health.check('certificate', () => true);
    const answer = await get('/readyz');
    expect(answer).toMatchObject({
      status: 503,
      body: '[-]stores failed: storageclasses not listed yet\nreadyz check failed\n',
    });
    expect(await get('/livez')).toMatchObject({ status: 200 });
    synced = true;
    expect(await get('/readyz?verbose')).toMatchObject({
      status: 200,
      body: '[+]stores ok\n[+]certificate ok\nreadyz check passed\n',
    });
  });

  test('takes a check that throws for a failed one', async () => {
    const { get, health } = await start();
    health.check('odd', () => {
      throw new Error('cannot tell');
    });
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      body: expect.stringContaining('[-]odd failed: cannot tell'),
    });
  });

  test('is no longer ready once the program stops', async () => {
    const { get, ending } = await start();
    ending.abort();
    expect(await get('/readyz')).toMatchObject({ status: 503, body: expect.stringContaining('[-]shutdown failed') });
  });

  test('serves the metrics as Prometheus reads them', async () => {
    const { get } = await start();
    expect(await get('/metrics')).toMatchObject({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: expect.stringContaining('# TYPE clonegate_admission_requests_total counter'),
    });
  });

  test('answers 404 to anything else', async () => {
    const { get } = await start();
    expect(await get('/secrets')).toMatchObject({ status: 404 });
  });

  test('closes also while a client keeps its connection open', async () => {
    const { get, server } = await start();
    await get('/livez'); // fetch keeps the connection alive
    await server.stop();
    await expect(get('/livez')).rejects.toThrow('fetch failed');
  });
});
