import { expect, test } from 'vitest';
import { createWaiting, type Waiting, type Waits } from '../../../controller/waiting.ts';
import type { DataVolumeStatus } from '../../../shared/api/datavolume.ts';
import { FakeClock } from '../../support/clock.ts';
import { observed, volume, world } from './world.ts';

/** What is over in a moment as a rule costs no write, and is told when it lasts all the same. */

const key = 'tenant/target';
const { signal } = new AbortController();
const moment = 5000;

const wait = {
  phase: 'RebindInProgress',
  reason: 'RebindInProgress',
  message: 'its volume is handed over',
  type: 'Normal',
  brief: true,
} as const;
const plan: Waits = { state: 'waiting', step: 'rebound', wait };

function setup(): { readonly clock: FakeClock; readonly waiting: Waiting } {
  const clock = new FakeClock(0);
  const evidence = { provisioning: async () => undefined, lastEvent: async () => undefined };
  const limits = { stallAfter: 0, stallAfterConsumer: 0, fallbackAfter: 0 };
  return { clock, waiting: createWaiting({ evidence, clock, limits }) };
}

const o = (status?: DataVolumeStatus) => observed(world(), volume(status === undefined ? {} : { status }));

test('a brief wait is told when it has lasted', async () => {
  const { clock, waiting } = setup();
  expect(await waiting.consider(key, o(), plan, signal)).toEqual({ plan, within: moment, untold: true });
  await clock.advance(moment - 1);
  expect(await waiting.consider(key, o(), plan, signal)).toEqual({ plan, within: 1, untold: true });
  await clock.advance(1);
  expect(await waiting.consider(key, o(), plan, signal)).toEqual({ plan });
});

test('a brief wait that the status tells of is kept up to date', async () => {
  const { waiting } = setup();
  const status: DataVolumeStatus = {
    phase: 'RebindInProgress',
    conditions: [{ type: 'Running', status: 'True', reason: 'RebindInProgress' }],
  };
  expect(await waiting.consider(key, o(status), plan, signal)).toEqual({ plan });
});

test('every brief wait has a moment of its own, and so has the same one when it comes again', async () => {
  const { clock, waiting } = setup();
  await waiting.consider(key, o(), plan, signal);
  await clock.advance(moment);
  const other = { ...plan, step: 'moved' };
  expect(await waiting.consider(key, o(), other, signal)).toMatchObject({ within: moment, untold: true });
  waiting.forget(key);
  expect(await waiting.consider(key, o(), plan, signal)).toMatchObject({ within: moment, untold: true });
});

test('any other wait is told at once', async () => {
  const { waiting } = setup();
  const { brief: _brief, ...other } = wait;
  expect(await waiting.consider(key, o(), { ...plan, wait: other }, signal)).not.toHaveProperty('untold');
});
