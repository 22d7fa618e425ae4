import { expect, test } from 'vitest';
import { createLeading } from '../../../controller/lead.ts';
import type { Reconcile } from '../../../controller/reconcile.ts';
import { createTurns } from '../../../controller/turns.ts';
import type { Elector, Lead } from '../../../shared/kube/lease.ts';
import { createServed } from '../../../shared/kube/served.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import { volume, world } from './world.ts';

/** An elector that leads when it is told to. */
class Election implements Elector {
  leading = false;
  readonly #lost = new AbortController();
  #begin: () => void = () => undefined;
  readonly #elected = new Promise<void>((resolve) => {
    this.#begin = resolve;
  });

  async run(signal: AbortSignal, lead: Lead): Promise<void> {
    await this.#elected;
    await lead(AbortSignal.any([signal, this.#lost.signal]));
    this.#lost.signal.throwIfAborted();
  }

  elect(): void {
    this.leading = true;
    this.#begin();
  }

  lose(): void {
    this.#lost.abort(new Error('lost'));
  }
}

function setup(reconcile: Reconcile) {
  const stores = world();
  stores.volumes.upsert(volume());
  const election = new Election();
  const swept: string[] = [];
  const metrics = createMetrics({ process: false });
  const clock = new FakeClock();
  const log = createLogger({ level: 'silent', name: 'test' });
  const served = createServed(['tenant']);
  const component = createLeading({
    elector: election,
    stores,
    served,
    reconcile,
    turns: createTurns(stores, { perSource: 0, perStorageClass: 0, copiesPerStorageClass: 0 }),
    sweeper: async (signal) => {
      signal.addEventListener('abort', () => swept.push('ended'));
    },
    workers: 2,
    clock,
    random: () => 0,
    log,
    metrics,
  });
  const ending = new AbortController();
  const failures: unknown[] = [];
  const start = async (): Promise<void> => component.start(ending.signal, (error) => failures.push(error));
  const stop = async (): Promise<void> => {
    ending.abort(new Error('stop'));
    election.elect();
    await component.stop?.();
  };
  return { stores, served, election, metrics, clock, start, stop, failures, swept };
}

const changed = (resourceVersion: string) => volume({ metadata: { resourceVersion } });

test('nothing is worked on before the election, and everything after it', async () => {
  const keys: string[] = [];
  const { election, start, stop } = setup(async (key) => {
    keys.push(key);
    return { kind: 'done' };
  });

  await start();
  await settle();
  expect(keys).toEqual([]);
  election.elect();
  await settle();
  expect(keys).toEqual(['tenant/target']);
  await stop();
});

test('a leader works on what changes, until it stops', async () => {
  const keys: string[] = [];
  const { stores, election, start, stop } = setup(async (key) => {
    keys.push(key);
    return { kind: 'done' };
  });
  await start();
  election.elect();
  await settle();

  stores.volumes.upsert(changed('11'));
  await settle();
  expect(keys).toHaveLength(2);
  await stop();
  stores.volumes.upsert(changed('12'));
  await settle();
  expect(keys).toHaveLength(2);
});

test('a leader looks at everything again when a namespace has opened', async () => {
  const keys: string[] = [];
  const { served, election, start, stop } = setup(async (key) => {
    keys.push(key);
    return { kind: 'done' };
  });
  await start();
  election.elect();
  await settle();

  served.looked('tenant');
  await settle();
  expect(keys).toEqual(['tenant/target', 'tenant/target']);
  await stop();
});

test('a pass that fails is counted and comes again', async () => {
  let passes = 0;
  const { election, metrics, clock, start, stop } = setup(async () => {
    passes += 1;
    if (passes === 1) throw new Error('a mistake');
    return { kind: 'done' };
  });
  await start();
  election.elect();
  await settle();
  await clock.advance(50);

  expect(passes).toBe(2);
  const text = await metrics.registry.metrics();
  expect(text).toContain('controller_runtime_reconcile_total{controller="datavolume",result="error"} 1');
  expect(text).toContain('controller_runtime_reconcile_total{controller="datavolume",result="done"} 1');
  await stop();
});

test('a leadership that is lost ends the program, and the work with it', async () => {
  let signalled: AbortSignal | undefined;
  const { election, start, stop, failures, swept } = setup(async (_key, signal) => {
    signalled = signal;
    return { kind: 'done' };
  });
  await start();
  election.elect();
  await settle();
  election.lose();
  await settle();

  expect(failures).toEqual([new Error('lost')]);
  expect(signalled?.aborted).toBe(true);
  expect(swept).toEqual(['ended']);
  await stop();
});
