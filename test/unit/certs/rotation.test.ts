import { describe, expect, test } from 'vitest';
import { trustedIn } from '../../../certs/authorities.ts';
import { issueAuthority } from '../../../certs/issue.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { mutatingConfigurations, secrets } from '../../../shared/kube/resource.ts';
import { lifetimes, minute, secret, World } from './world.ts';

async function running(replicas = 2, bundle = ''): Promise<World> {
  const world = new World();
  await world.configure(bundle);
  for (let count = 0; count < replicas; count += 1) world.begin();
  return world;
}

async function counted(world: World, role: string, result: string): Promise<number> {
  const { values } = (await world.metrics.registry.getSingleMetric('clonegate_certificate_rotations_total')?.get()) ?? {
    values: [],
  };
  return values.find(({ labels }) => labels['role'] === role && labels['result'] === result)?.value ?? 0;
}

describe('replicas that start at once', () => {
  test('agree on one authority, and each has a certificate of its own', async () => {
    const world = await running(3);
    await world.pass(minute);
    const [first, second, third] = world.replicas.map((replica) => replica.served()?.fingerprint);
    expect(new Set([first, second, third]).size).toBe(3);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
    expect(await world.pass(minute)).toEqual([]);
    expect(await counted(world, 'ca', 'success')).toBe(1);
  });

  test('are not started before somebody can trust them', async () => {
    const world = new World();
    await world.configure();
    world.beforeCall = async (verb) => {
      if (verb === 'apply') throw new ApiError('may not', { code: 403, reason: 'Forbidden' });
    };
    const replica = world.begin();
    await world.pass(minute);
    expect(replica.started()).toBe(false);
    world.beforeCall = async () => undefined;
    await world.pass(minute);
    expect(replica.started()).toBe(true);
  });

  test('do not wait for configurations that are installed later, and fill them in then', async () => {
    const world = new World();
    const replica = world.begin();
    await world.pass(minute);
    expect(replica.started()).toBe(true);
    await world.configure();
    await world.pass(minute);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
  });

  test('take over a Secret that was made empty for them', async () => {
    const world = new World();
    await world.configure();
    await world.api.client().create(secrets, { metadata: { ...secret, labels: { whose: 'chart' } } });
    world.begin();
    await world.pass(minute);
    expect(world.authorities?.current).toBeDefined();
    expect(world.api.read(secrets, secret).metadata.labels).toEqual({ whose: 'chart' });
  });
});

describe('an authority', () => {
  test('is replaced again and again, and no call fails', async () => {
    const world = await running();
    await world.pass(minute);
    const seen = new Set<string>();
    for (let passed = 0; passed < 4; passed += 1) {
      seen.add(world.authorities?.current.fingerprint ?? '');
      expect(await world.pass(0.75 * lifetimes.authority)).toEqual([]);
    }
    expect(seen.size).toBeGreaterThan(2);
    expect(world.events.map(({ reason }) => reason)).toContain('CertificateRotated');
  });

  test('that was replaced is trusted no longer when the last of its certificates has ended', async () => {
    const world = await running();
    await world.pass(minute);
    const old = world.authorities?.current.fingerprint ?? '';
    await world.pass(28 * minute);
    expect(world.authorities?.current.fingerprint).not.toBe(old);
    expect(world.trusted).toContain(old);
    await world.pass(10 * minute);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
    expect(world.api.read(secrets, secret).data).not.toHaveProperty(['previous.crt']);
  });

  test('whose Secret is deleted is replaced with an overlap at once', async () => {
    const world = await running();
    await world.pass(5 * minute);
    const old = world.authorities?.current.fingerprint ?? '';
    world.api.remove(secrets, secret);
    expect(await world.pass(minute)).toEqual([]);
    expect(world.trusted).toHaveLength(2);
    expect(await world.pass(16 * minute)).toEqual([]);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
    expect(world.trusted).not.toContain(old);
  });

  test('of somebody else stays trusted while replicas that serve it may be there', async () => {
    const { certificatePem } = issueAuthority({ commonName: 'files', days: 1, now: new World().clock.now() });
    const world = await running(1, certificatePem);
    const [others] = trustedIn(certificatePem);
    await world.pass(5 * minute);
    expect(new Set(world.trusted)).toEqual(new Set([world.authorities?.current.fingerprint, others?.fingerprint]));
    await world.pass(15 * minute);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
  });

  test('that ended while nothing ran is replaced at once', async () => {
    const world = await running(1);
    await world.pass(minute);
    world.replicas[0]?.kill();
    await world.clock.advance(3 * lifetimes.authority);
    world.begin();
    await world.pass(4 * minute);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
    expect(await world.pass(minute)).toEqual([]);
  });

  test('that cannot be used is said to be so, and nothing is written over it', async () => {
    const world = await running(1);
    await world.pass(minute);
    const [replica] = world.replicas;
    const before = replica?.served();
    const junk = Buffer.from('junk').toString('base64');
    await world.api.client().mergePatch(secrets, secret, { data: { 'tls.key': junk } });
    await world.pass(5 * minute);
    expect(replica?.lines.join('')).toContain('Secret clonegate-system/ca: tls.key: is not a private key in PEM');
    expect(world.api.read(secrets, secret).data?.['tls.key']).toBe(junk);
    expect(replica?.served()).toBe(before);
    expect(await counted(world, 'ca', 'error')).toBeGreaterThan(0);
  });
});

describe('a serving certificate', () => {
  test('is renewed when a third of its life is left', async () => {
    const world = await running(1);
    await world.pass(minute);
    const first = world.replicas[0]?.served();
    await world.pass(2 * minute);
    expect(world.replicas[0]?.served()).toBe(first);
    await world.pass(2 * minute);
    expect(world.replicas[0]?.served()).not.toBe(first);
    expect(await counted(world, 'leaf', 'success')).toBe(2);
  });

  test('is renewed soon after the machine has slept', async () => {
    const world = await running(1);
    await world.pass(minute);
    const first = world.replicas[0]?.served();
    world.clock.jump(5 * minute);
    await world.pass(minute);
    expect(world.replicas[0]?.served()).not.toBe(first);
  });

  test('is made anew when the clock was set back, for it may not be valid yet', async () => {
    const world = await running(1);
    await world.pass(minute);
    const first = world.replicas[0]?.served();
    world.clock.jump(-3 * 60 * minute);
    await world.pass(minute);
    expect(world.replicas[0]?.served()).not.toBe(first);
  });

  test('stays what it is while the API server cannot be asked', async () => {
    const world = await running(1);
    await world.pass(minute);
    world.beforeCall = async () => {
      throw new ApiError('no answer', { code: 0, reason: 'Unreachable' });
    };
    const first = world.replicas[0]?.served();
    await world.pass(5 * minute);
    expect(world.replicas[0]?.served()).toBe(first);
    world.beforeCall = async () => undefined;
    await world.pass(minute);
    expect(world.replicas[0]?.served()).not.toBe(first);
  });
});

/** Life from an installation to the end of the first rotation. */
const life = 40 * minute;

/** Create, two configurations; begin, two; promote; drop, two. */
const points = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** Somebody takes the bundle out of one configuration. */
async function forget(world: World): Promise<void> {
  const webhooks = [{ name: 'one', clientConfig: { caBundle: '' } }];
  await world.api.client().mergePatch(mutatingConfigurations, { name: 'clonegate' }, { webhooks });
}

describe('a replica that', () => {
  test.each(points)(
    'dies after write %i leaves nothing that the next one and the other one cannot go on with',
    async (at) => {
      const world = new World();
      await world.configure();
      let writes = 0;
      world.afterWrite = (_, by) => {
        writes += 1;
        if (writes !== at) return;
        by?.kill();
        world.begin();
        throw new Error('dies here');
      };
      world.begin();
      const old = world.begin();
      expect(await world.pass(life)).toEqual([]);
      expect(writes).toBeGreaterThanOrEqual(points.length);
      expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
      expect(old.lines).not.toEqual([]);
    },
  );

  test.each(points)('does not hear the answer to write %i goes on all the same', async (at) => {
    const world = await running(1);
    let writes = 0;
    world.afterWrite = () => {
      writes += 1;
      if (writes === at) throw new ApiError('no answer', { code: 0, reason: 'Unreachable' });
    };
    expect(await world.pass(life)).toEqual([]);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
    expect(writes).toBe(points.length);
  });

  test('was slow does not take back what another has told since', async () => {
    const world = await running(2);
    await world.pass(5 * minute);
    const [slow] = world.replicas;
    const gate = Promise.withResolvers<void>();
    let held = 0;
    world.beforeCall = async (verb, by) => {
      if (by !== slow || verb !== 'apply') return;
      held += 1;
      await gate.promise;
    };
    await forget(world);
    await world.pass(minute);
    // It is about to say what was right before the other one began to replace the authority.
    expect(held).toBe(1);
    world.api.remove(secrets, secret);
    await world.pass(minute);
    expect(world.trusted).toHaveLength(2);
    const told: number[] = [];
    world.afterWrite = () => told.push(world.trusted.length);
    gate.resolve();
    expect(await world.pass(minute)).toEqual([]);
    expect(told).toEqual([]);
    expect(world.trusted).toHaveLength(2);
  });

  test('starts while an authority is replaced serves at once, with what everybody trusts', async () => {
    const world = await running(1);
    await world.pass(5 * minute);
    world.api.remove(secrets, secret);
    await world.pass(minute);
    const late = world.begin();
    expect(await world.pass(minute)).toEqual([]);
    expect(late.started()).toBe(true);
  });

  test('starts after the Secret was lost neither breaks those that run nor serves what is not known yet', async () => {
    const world = await running(1);
    await world.pass(5 * minute);
    world.api.remove(secrets, secret);
    const late = world.begin();
    expect(await world.pass(3 * minute)).toEqual([]);
    expect(late.started()).toBe(false);
    expect(await world.pass(12 * minute)).toEqual([]);
    expect(late.started()).toBe(true);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
  });

  test('finds its configuration changed by somebody else puts it right', async () => {
    const world = await running(1);
    await world.pass(minute);
    await forget(world);
    await world.pass(minute);
    expect(world.trusted).toEqual([world.authorities?.current.fingerprint]);
    expect(world.api.all(mutatingConfigurations)[0]?.webhooks?.[0]?.clientConfig.caBundle).not.toBe('');
  });
});
