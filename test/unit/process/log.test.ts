import { describe, expect, test } from 'vitest';
import { ApiError } from '../../../shared/kube/errors.ts';
import { createLogger } from '../../../shared/process/log.ts';

function logger(level: 'info' | 'debug' = 'info') {
  const lines: string[] = [];
  const log = createLogger({
    level,
    name: 'controller',
    destination: { write: (line: string) => lines.push(line) },
    clock: { now: () => 1_700_000_000_250 },
  });
  return { log, lines, last: (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? '{}') };
}

describe('a log line', () => {
  test('is one JSON object in the keys of Kubernetes', () => {
    const { log, lines, last } = logger();
    log.info({ strategy: 'copy' }, 'Clone started');
    expect(last()).toEqual({
      level: 'info',
      ts: 1_700_000_000.25,
      logger: 'controller',
      strategy: 'copy',
      msg: 'Clone started',
    });
    expect(lines[0]).toMatch(/\}\n$/u);
  });

  test('below the level is not printed', () => {
    const { log, lines } = logger();
    log.debug('Looked');
    expect(lines).toEqual([]);
  });

  test('never shows secrets, at any of the depths we use', () => {
    const { log, lines } = logger();
    log.info(
      {
        token: 's3cret',
        headers: { authorization: 's3cret' },
        a: { b: { data: { key: 's3cret' } } },
        user: { extra: { k: ['s3cret'] } },
      },
      'Called',
    );
    expect(lines[0]).not.toContain('s3cret');
    expect(lines[0]).toContain('[redacted]');
  });

  test('shows an object by its names only', () => {
    const { log, last } = logger();
    const metadata = { name: 'dv', namespace: 'tenant', uid: 'u1', annotations: { note: 'private' } };
    log.info(
      {
        dataVolume: { kind: 'DataVolume', metadata, spec: { a: 1 } },
        source: { namespace: 'golden', name: 'win', more: {} },
      },
      'Seen',
    );
    expect(last()).toMatchObject({
      dataVolume: { kind: 'DataVolume', namespace: 'tenant', name: 'dv', uid: 'u1' },
      source: { namespace: 'golden', name: 'win' },
    });
    expect(JSON.stringify(last())).not.toContain('private');
  });

  test('describes an error by type, message, codes and causes, and by nothing else', () => {
    const { log, last } = logger();
    const cause = Object.assign(new Error('socket'), {
      code: 'ECONNRESET',
      headers: { authorization: 'Bearer s3cret' },
    });
    log.error({ err: new ApiError('no answer', { code: 0, reason: 'Unreachable', cause }) }, 'Call failed');
    const { err } = last();
    expect(err).toMatchObject({
      type: 'ApiError',
      message: 'no answer',
      code: 0,
      reason: 'Unreachable',
      cause: { type: 'Error', message: 'socket', code: 'ECONNRESET' },
    });
    expect(JSON.stringify(err)).not.toContain('s3cret');
  });

  test('survives a cause that leads back to itself, and what was thrown without being an error', () => {
    const { log, last } = logger();
    const loop = new Error('loop');
    loop.cause = loop;
    log.error({ err: loop }, 'Failed');
    expect(last()['err']).toMatchObject({ message: 'loop' });
    log.error({ err: 'just text' }, 'Failed');
    expect(last()['err']).toEqual({ message: 'just text' });
  });

  test('cuts a message of any length', () => {
    const { log, lines } = logger();
    log.error({ err: new Error('x'.repeat(100_000)) }, 'Failed');
    expect(lines[0]?.length).toBeLessThan(10_000);
  });
});
