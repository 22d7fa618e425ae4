import { describe, expect, test } from 'vitest';
import { createRivalGuard, RivalError } from '../../../controller/rival.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { FakeClock, settle } from '../../support/clock.ts';

/** A cluster that serves our own kinds, and what a test adds. */
function setup() {
  const kinds = ['datavolumes', 'datavolumes/status', 'datasources', 'storageprofiles'];
  const state = { kinds, error: undefined as Error | undefined, asked: 0 };
  const clock = new FakeClock();
  const served = async (): Promise<readonly string[]> => {
    state.asked += 1;
    if (state.error !== undefined) throw state.error;
    return state.kinds;
  };
  const guard = createRivalGuard({ served, clock, log: createLogger({ level: 'silent', name: 'test' }) });
  const ending = new AbortController();
  const failed: unknown[] = [];
  const start = async (): Promise<void> => await guard.start(ending.signal, (error) => failed.push(error));
  return { state, clock, guard, ending, failed, start };
}

describe('where CDI runs, the controller', () => {
  test('does not start', async () => {
    const { state, start } = setup();
    state.kinds.push('cdis');
    await expect(start()).rejects.toThrow(/--executor=cdi, or remove CDI first/);
  });

  test('ends when CDI comes later', async () => {
    const { state, clock, failed, start } = setup();
    await start();
    await clock.advance(120_000);
    expect(failed).toEqual([]);
    state.kinds.push('cdis');
    await clock.advance(60_000);
    expect(failed).toEqual([expect.any(RivalError)]);
  });
});

test('as long as nobody can tell, it does not start, and goes on when it runs', async () => {
  const { state, clock, guard, ending, failed, start } = setup();
  state.error = new Error('unreachable');
  const starting = start();
  await clock.advance(10_000);
  const open = Symbol('open');
  expect(await Promise.race([starting, Promise.resolve(open)])).toBe(open);
  state.error = undefined;
  await clock.advance(10_000);
  await starting;
  state.error = new Error('unreachable');
  const before = state.asked;
  await clock.advance(120_000);
  expect([state.asked > before, failed]).toEqual([true, []]);
  ending.abort(new Error('over'));
  await settle();
  await guard.stop?.();
});
