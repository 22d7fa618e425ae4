import { describe, expect, test } from 'vitest';
import { installed } from '../../../shared/api/names.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import { configMaps, secrets } from '../../../shared/kube/resource.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { createIdentityKeeper, createStampKeeper, untilOpen } from '../../../shared/trust/keeper.ts';
import { openSigningKeys, openVerifyingKeys, type SigningKeys } from '../../../shared/trust/keyring.ts';
import { keysIn } from '../../../shared/trust/rotation.ts';
import { FakeClock } from '../../support/clock.ts';
import { type Interceptor, MemoryApi } from '../../support/memory-client.ts';

/** Webhooks and controllers that look after their keys themselves, on one clock and one API. */

const minute = 60_000;
const namespace = 'clonegate-system';
const lifetimes = { signing: 60 * minute, retention: 120 * minute, overlap: 2 * minute };
const files = { stampKeyFile: '', stampPublicKeysFile: '', identityPublicKeyFile: '', identityKeyFile: '' };
const log = createLogger({ level: 'silent', name: 'test' });
const metrics = createMetrics({ process: false });

class World {
  readonly clock = new FakeClock();
  readonly api = new MemoryApi();
  readonly events: Emission[] = [];
  readonly #end = new AbortController();
  /** What each webhook signs with, and what each controller accepts. */
  readonly webhooks: SigningKeys[] = [];
  readonly controllers: Awaited<ReturnType<typeof openVerifyingKeys>>[] = [];

  async webhook(intercept?: Interceptor): Promise<void> {
    const { clock } = this;
    const recorder = { emit: (emission: Emission) => void this.events.push(emission) };
    const texts = createStampKeeper({
      client: this.api.client(intercept),
      namespace,
      clock,
      log,
      recorder,
      metrics,
      lifetimes,
    });
    const keys = await untilOpen(
      async () => await openSigningKeys({ ...files, clock, log, overlap: lifetimes.overlap, texts }),
      { clock, log },
    );
    await keys.lookout.start(this.#end.signal, () => undefined);
    this.webhooks.push(keys);
  }

  async controller(): Promise<void> {
    const { clock } = this;
    const texts = createIdentityKeeper({ client: this.api.client(), namespace, log });
    const keys = await untilOpen(async () => await openVerifyingKeys({ ...files, clock, log, texts }), { clock, log });
    await keys.lookout.start(this.#end.signal, () => undefined);
    this.controllers.push(keys);
  }

  /** Lets time pass until they have started. */
  async start(...programs: readonly Promise<void>[]): Promise<void> {
    const state = { started: false };
    const all = (async () => {
      await Promise.all(programs);
      state.started = true;
    })();
    while (!state.started) await this.clock.advance(1000);
    await all;
  }

  /** @returns the stamps that would not have been accepted, and when. */
  async pass(time: number): Promise<readonly string[]> {
    const unknown: string[] = [];
    for (let passed = 0; passed < time; passed += 30_000) {
      await this.clock.advance(30_000);
      for (const { signer } of this.webhooks)
        for (const { verifier } of this.controllers)
          if (!verifier.stamp.has(signer.stamp.id) || !verifier.identity.has(signer.identity.id))
            unknown.push(`${signer.stamp.id} at ${this.clock.now()}`);
    }
    return unknown;
  }

  get published(): readonly unknown[] {
    const { data } = this.api.read(configMaps, { namespace, name: installed.stampPublicKeys });
    return keysIn(data?.['keys.json']).map(({ kid }) => kid);
  }

  get signing(): readonly string[] {
    return this.webhooks.map(({ signer }) => signer.stamp.id);
  }
}

async function running(): Promise<World> {
  const world = new World();
  await world.start(world.webhook(), world.webhook(), world.controller(), world.controller());
  return world;
}

describe('keys that the programs look after', () => {
  test('are agreed on by all that start at once', async () => {
    const world = await running();
    expect(new Set(world.signing).size).toBe(1);
    expect(world.published).toEqual([world.signing[0]]);
    expect(await world.pass(minute)).toEqual([]);
  });

  test('are private to one program each', async () => {
    const world = await running();
    for (const name of [installed.stampPublicKeys, installed.identityPublicKey]) {
      const [key] = keysIn(world.api.read(configMaps, { namespace, name }).data?.['keys.json']);
      expect(key).toHaveProperty('x');
      expect(key).not.toHaveProperty('d');
    }
  });

  test('are replaced in time, and every stamp is known to the controllers when it is made', async () => {
    const world = await running();
    const [first = ''] = world.signing;
    expect(await world.pass(70 * minute)).toEqual([]);
    expect(world.signing).not.toContain(first);
    expect(world.published).toContain(first);
    expect(world.events.map(({ reason }) => reason)).toEqual(['StampKeyRotated']);
  });

  test('that have signed are known for as long as their stamps may be carried out', async () => {
    const world = await running();
    const [first = ''] = world.signing;
    await world.pass(175 * minute);
    expect(world.published).toContain(first);
    expect(world.controllers[0]?.verifier.stamp.has(first)).toBe(true);
    expect(await world.pass(15 * minute)).toEqual([]);
    expect(world.published).not.toContain(first);
  });

  test('are replaced with an overlap when the Secret is deleted, and a webhook that starts meanwhile signs with the old', async () => {
    const world = await running();
    const [first = ''] = world.signing;
    world.api.remove(secrets, { namespace, name: installed.stampKeys });
    expect(await world.pass(minute)).toEqual([]);
    await world.webhook();
    expect(world.signing).toEqual([first, first, first]);
    expect(await world.pass(5 * minute)).toEqual([]);
    expect(new Set(world.signing).size).toBe(1);
    expect(world.signing).not.toContain(first);
    expect(world.published).toContain(first);
  });

  test('that were lost with everybody who knew them leave valid stamps behind', async () => {
    const world = await running();
    const [first = ''] = world.signing;
    world.webhooks.splice(0);
    const later = new World();
    const { data } = world.api.read(configMaps, { namespace, name: installed.stampPublicKeys });
    const metadata = { namespace, name: installed.stampPublicKeys };
    await later.api.client().create(configMaps, { metadata, ...(data === undefined ? {} : { data }) });
    await later.start(later.webhook(), later.controller());
    expect(later.signing).not.toContain(first);
    expect(later.controllers[0]?.verifier.stamp.has(first)).toBe(true);
  });

  test('that somebody spoilt are not written over, and those in use stay', async () => {
    const world = await running();
    const [first = ''] = world.signing;
    const junk = Buffer.from('junk').toString('base64');
    const ref = { namespace, name: installed.stampKeys };
    await world.api.client().mergePatch(secrets, ref, { data: { 'keys.json': junk } });
    expect(await world.pass(5 * minute)).toEqual([]);
    expect(world.signing[0]).toBe(first);
    expect(world.api.read(secrets, ref).data?.['keys.json']).toBe(junk);
  });

  test.each([1, 2, 3, 4, 5])('are replaced although write %i failed once', async (at) => {
    const world = new World();
    let writes = 0;
    await world.start(
      world.webhook(({ verb }) => {
        if (verb !== 'get') writes += 1;
        if (verb !== 'get' && writes === at) throw new Error('lost');
      }),
      world.controller(),
    );
    const [first = ''] = world.signing;
    expect(await world.pass(70 * minute)).toEqual([]);
    expect(world.signing).not.toContain(first);
    expect(writes).toBe(6);
  });
});
