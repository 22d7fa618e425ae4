import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { FakeClock, settle } from '../../../support/clock.ts';
import { createFaultControl } from '../../../support/csi/control.ts';
import { type Fault, parseFaults, parseMedium } from '../../../support/csi/faultfile.ts';
import { createFaultInjector } from '../../../support/csi/faults.ts';
import { temporaryFolder } from './temp.ts';

const never = new AbortController().signal;
const clone = { volume: { volumeId: 'a' } };
const restore = { snapshot: { snapshotId: 'a' } };

async function setUp() {
  const file = join(await temporaryFolder(), 'faults.json');
  const clock = new FakeClock();
  return { file, clock, injector: createFaultInjector(file, clock), control: createFaultControl(file, clock) };
}

/** Waits on a clock that stands still until something sleeps on it; what comes before is reading files. */
async function untilAsleep(clock: FakeClock): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (clock.sleeping === 0 && Date.now() < deadline) await settle();
  expect(clock.sleeping).toBe(1);
}

describe('a driver', () => {
  test('carries every call out when there is no faults file', async () => {
    const { injector } = await setUp();
    await expect(injector.strike('CreateVolume', null, never)).resolves.toBeUndefined();
    await expect(
      createFaultInjector(undefined, new FakeClock()).strike('CreateVolume', null, never),
    ).resolves.toBeUndefined();
  });

  test('lets all calls of the method fail for "always", with the code and the text, and none of another', async () => {
    const { injector, control } = await setUp();
    await control.set('CreateVolume', { mode: 'always', code: 'RESOURCE_EXHAUSTED', message: 'full' });
    for (let call = 0; call < 3; call += 1) {
      await expect(injector.strike('CreateVolume', null, never)).rejects.toMatchObject({
        code: status.RESOURCE_EXHAUSTED,
        message: 'full',
      });
    }
    await expect(injector.strike('DeleteVolume', null, never)).resolves.toBeUndefined();
  });

  test('lets exactly one of many calls at the same moment fail for "once"', async () => {
    const { injector, control } = await setUp();
    await control.set('CreateVolume', { mode: 'once', code: 'INTERNAL' });
    const calls = Array.from({ length: 8 }, () => injector.strike('CreateVolume', null, never));
    const results = await Promise.allSettled(calls);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });

  test('remembers across a restart that a fault has struck', async () => {
    const { file, clock, injector, control } = await setUp();
    await control.set('CreateVolume', { mode: 'once', code: 'INTERNAL' });
    await expect(injector.strike('CreateVolume', null, never)).rejects.toThrow('ordered by the test');
    await expect(createFaultInjector(file, clock).strike('CreateVolume', null, never)).resolves.toBeUndefined();
  });

  test('strikes again when the same fault is set again', async () => {
    const { injector, control } = await setUp();
    for (let time = 0; time < 2; time += 1) {
      await control.set('CreateVolume', { mode: 'once', code: 'INTERNAL' });
      await expect(injector.strike('CreateVolume', null, never)).rejects.toMatchObject({ code: status.INTERNAL });
      await expect(injector.strike('CreateVolume', null, never)).resolves.toBeUndefined();
    }
  });

  test.each([
    ['volume', [false, true, false]],
    ['snapshot', [false, false, true]],
    ['any', [false, true, true]],
    [undefined, [true, true, true]],
  ] as const)('with source %s strikes blank volumes, clones, restored ones: %j', async (source, expected) => {
    const { injector, control } = await setUp();
    await control.set('CreateVolume', {
      mode: 'always',
      code: 'INTERNAL',
      ...(source === undefined ? {} : { source }),
    });
    const struck = [null, clone, restore].map((from) =>
      injector.strike('CreateVolume', from, never).then(
        () => false,
        () => true,
      ),
    );
    expect(await Promise.all(struck)).toEqual(expected);
  });

  test('waits for "delay" and then carries the call out', async () => {
    const { clock, injector, control } = await setUp();
    await control.set('CreateSnapshot', { mode: 'delay', ms: 500 });
    let carriedOut = false;
    const call = injector.strike('CreateSnapshot', null, never).finally(() => {
      carriedOut = true;
    });
    await untilAsleep(clock);
    await clock.advance(499);
    expect(carriedOut).toBe(false);
    await clock.advance(1);
    await call;
    expect(carriedOut).toBe(true);
  });

  test('waits for "hold" until that is taken away, and then carries the call out', async () => {
    const { clock, injector, control } = await setUp();
    await control.set('CreateSnapshot', { mode: 'hold' });
    let carriedOut = false;
    const call = injector.strike('CreateSnapshot', null, never).finally(() => {
      carriedOut = true;
    });
    for (let look = 0; look < 3; look += 1) {
      await untilAsleep(clock);
      await clock.advance(1e9);
    }
    await untilAsleep(clock);
    expect(carriedOut).toBe(false);
    await control.clear('CreateSnapshot');
    await clock.advance(1e9);
    await call;
  });

  test.each<Fault>([{ mode: 'delay', ms: 1e9 }, { mode: 'hold' }])(
    'gives a call up when its caller does: $mode',
    async (fault) => {
      const { clock, injector, control } = await setUp();
      await control.set('CreateVolume', fault);
      const caller = new AbortController();
      const call = injector.strike('CreateVolume', null, caller.signal);
      const outcome = Promise.allSettled([call]);
      await untilAsleep(clock);
      caller.abort(new Error('gone'));
      expect(await outcome).toEqual([{ status: 'rejected', reason: new Error('gone') }]);
    },
  );

  test('is as before once the faults are cleared', async () => {
    const { injector, control } = await setUp();
    await control.set('CreateVolume', { mode: 'always', code: 'INTERNAL' });
    await control.set('DeleteVolume', { mode: 'always', code: 'INTERNAL' });
    await control.clear('CreateVolume');
    await expect(injector.strike('CreateVolume', null, never)).resolves.toBeUndefined();
    await expect(injector.strike('DeleteVolume', null, never)).rejects.toMatchObject({ code: status.INTERNAL });
    await control.clear();
    await expect(injector.strike('DeleteVolume', null, never)).resolves.toBeUndefined();
  });

  test('fails calls loudly while the faults file makes no sense', async () => {
    const { file, injector } = await setUp();
    await writeFile(file, '{"CreateVolume": ');
    await expect(injector.strike('CreateVolume', null, never)).rejects.toMatchObject({
      code: status.INTERNAL,
      message: expect.stringContaining(`${file}: the faults file is not JSON`),
    });
  });
});

describe('a medium', () => {
  test('is told of beside the faults of calls, until it is told to be whole', async () => {
    const { file, injector, control } = await setUp();
    await control.set('CreateVolume', { mode: 'always', code: 'INTERNAL' });
    await control.setMedium({ readsFrom: 4096 });
    expect(parseMedium(await readFile(file, 'utf8'))).toEqual({ readsFrom: 4096 });
    await expect(injector.strike('CreateVolume', null, never)).rejects.toMatchObject({ code: status.INTERNAL });
    await control.setMedium(undefined);
    expect(parseMedium(await readFile(file, 'utf8'))).toBeUndefined();
    await expect(control.setMedium({ writesFrom: 0.5 })).rejects.toThrow('fault for Medium: "writesFrom" must be');
  });
});

describe('a test', () => {
  test('can wait until a fault has struck as often as it wants', async () => {
    const { clock, injector, control } = await setUp();
    const fault = await control.set('CreateVolume', { mode: 'always', code: 'INTERNAL' });
    let seen = false;
    const waiting = control.struck(fault, { times: 2 }).finally(() => {
      seen = true;
    });
    await injector.strike('CreateVolume', null, never).catch(() => undefined);
    await untilAsleep(clock);
    expect([seen, await control.strikes(fault)]).toEqual([false, 1]);
    await injector.strike('CreateVolume', null, never).catch(() => undefined);
    await clock.advance(20);
    await waiting;
    expect(await control.strikes(fault)).toBe(2);
  });

  test('is told what it waited for in vain', async () => {
    const { control } = await setUp();
    const fault = await control.set('DeleteSnapshot', { mode: 'once', code: 'INTERNAL' });
    await expect(control.struck(fault, { deadlineMs: 0 })).rejects.toThrow(
      'the fault on DeleteSnapshot struck 0 of 1 times within 0 ms',
    );
  });

  test('cannot set a fault that the driver would not understand', async () => {
    const { control } = await setUp();
    const wrong = { mode: 'delay', ms: -1 } as Fault;
    await expect(control.set('CreateVolume', wrong)).rejects.toThrow('fault for CreateVolume: "ms" must be');
  });
});

test.each([
  ['[]', 'must hold a JSON object'],
  ['{"CreateVolumes": {"mode": "delay", "ms": 1}}', 'fault for CreateVolumes: no such method; known are CreateVolume,'],
  ['{"CreateVolume": null}', 'must be an object'],
  ['{"Medium": 5}', 'fault for Medium: must be an object'],
  ['{"Medium": {"from": 5}}', 'fault for Medium: "from" is neither "readsFrom" nor "writesFrom"'],
  ['{"Medium": {"readsFrom": -1}}', 'fault for Medium: "readsFrom" must be a number of bytes'],
  ['{"CreateVolume": {"mode": "never"}}', '"mode" must be'],
  ['{"CreateVolume": {"mode": "delay", "ms": "5"}}', '"ms" must be'],
  ['{"CreateVolume": {"mode": "once"}}', '"code" must be'],
  ['{"CreateVolume": {"mode": "once", "code": "toString"}}', '"code" must be'],
  ['{"CreateVolume": {"mode": "once", "code": "OK"}}', '"code" must be'],
  ['{"CreateVolume": {"mode": "once", "code": "5"}}', '"code" must be'],
  ['{"CreateVolume": {"mode": "once", "code": "INTERNAL", "message": 1}}', '"message" must be'],
  ['{"CreateVolume": {"mode": "once", "code": "INTERNAL", "source": "all"}}', '"source" must be'],
  ['{"DeleteVolume": {"mode": "once", "code": "INTERNAL", "source": "any"}}', '"source" narrows CreateVolume only'],
  ['{"CreateVolume": {"mode": "once", "code": "INTERNAL", "id": ""}}', '"id" must be'],
])('the faults file %s is refused', (text, message) => {
  expect(() => parseFaults(text)).toThrow(message);
});
