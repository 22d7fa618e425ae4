import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import type { LimitRange, ResourceQuota } from '../../../shared/api/objects.ts';
import { createAdvise } from '../../../webhook/advice.ts';
import { admit, annotate, cloneOf, newWorld, type World, worldWithSource } from './world.ts';

/** What is said to somebody who may clone, and to nobody else. */

const storage = { storageClassName: 'fast', volumeMode: 'Block', resources: { requests: { storage: '10Gi' } } };

function quota(namespace: string, hard: Record<string, string>, used: Record<string, string> = {}): ResourceQuota {
  return { metadata: { namespace, name: 'budget' }, status: { hard, used } };
}

function limit(namespace: string, max: string): LimitRange {
  const limits = [{ type: 'PersistentVolumeClaim', max: { storage: max } }];
  return { metadata: { namespace, name: 'sizes' }, spec: { limits } };
}

async function warningsFor(world: World, volume = cloneOf()): Promise<readonly string[]> {
  return (await admit(world, volume)).ruling.response.warnings ?? [];
}

describe('about pods that write to the source', () => {
  it('names the pod, and says that the clone waits', async () => {
    const world = await worldWithSource();
    world.writers.set('golden/fedora', ['vm-1']);
    expect(await warningsFor(world)).toEqual(['clone waits (CloneSourceInUse): pod vm-1 writes to the source']);
  });

  it('names several in order', async () => {
    const world = await worldWithSource();
    world.writers.set('golden/fedora', ['b', 'a']);
    expect(await warningsFor(world)).toEqual(['clone waits (CloneSourceInUse): 2 pods write to the source: a, b']);
  });

  it('still tells how many they are when their names do not fit', async () => {
    const world = await worldWithSource();
    world.writers.set(
      'golden/fedora',
      Array.from({ length: 300 }, (_, number) => `virt-launcher-${number}-${'x'.repeat(200)}`),
    );
    const [warning = ''] = await warningsFor(world);
    expect(warning).toMatch(/^clone waits \(CloneSourceInUse\): 300 pods write to the source: virt-launcher-0-x+…$/);
    expect(warning).toHaveLength(120);
  });

  it('does not say that it waits where the user has chosen not to', async () => {
    const world = await worldWithSource();
    world.writers.set('golden/fedora', ['vm-1']);
    const volume = annotate(cloneOf(), { [annotations.sourceInUse]: 'crash-consistent' });
    expect((await warningsFor(world, volume))[0]).toMatch(/^source in use \(CloneSourceInUse\)/);
  });

  it('says nothing of pods that write to another claim', async () => {
    const world = await worldWithSource();
    world.writers.set('tenant-a/fedora', ['vm-1']).set('golden/other', ['vm-2']);
    expect(await warningsFor(world)).toEqual([]);
  });
});

describe('about the first consumer', () => {
  const late = { volumeBindingMode: 'WaitForFirstConsumer' };

  it('says that the volume is made when a pod uses it', async () => {
    expect(await warningsFor(await worldWithSource(late))).toEqual([
      'clone waits (WaitForFirstConsumer): StorageClass fast makes a volume when a pod uses it',
    ]);
  });

  it('says nothing where the user does not want to wait for one, and of classes that do not wait', async () => {
    const volume = annotate(cloneOf(), { [annotations.bindImmediately]: '' });
    expect(await warningsFor(await worldWithSource(late), volume)).toEqual([]);
    expect(await warningsFor(await worldWithSource())).toEqual([]);
  });

  it('says only that the source is missing when it is', async () => {
    expect(await warningsFor(newWorld(late))).toEqual([
      'clone waits (SourceNotFound): PersistentVolumeClaim golden/fedora does not exist yet',
    ]);
  });
});

describe('about quotas', () => {
  const full = { 'requests.storage': '15Gi' };
  const used = { 'requests.storage': '8123456Ki' };

  it("tells the figures of the DataVolume's own namespace", async () => {
    const world = await worldWithSource();
    world.quotas.push(quota('tenant-a', full, { 'requests.storage': '8Gi' }));
    expect(await warningsFor(world)).toEqual([
      'quota exceeded (QuotaExceeded): needs 10Gi requests.storage in tenant-a, 8Gi of 15Gi used (ResourceQuota/budget)',
    ]);
  });

  it("tells of the source's namespace that it does not fit, and no figure", async () => {
    const world = await worldWithSource();
    world.quotas.push(quota('golden', full, used));
    world.limits.push(limit('golden', '9Gi'));
    const warnings = await warningsFor(world);
    expect(warnings).toEqual([
      'quota exceeded (QuotaExceeded): needs 10Gi requests.storage in golden, which is more than is left there',
      'quota exceeded (QuotaExceeded): needs a claim of 10Gi in golden, above the limit there',
    ]);
    expect(warnings.join(' ')).not.toMatch(/15Gi|8123456|9Gi|budget|sizes/);
  });

  it("tells when little is left, but not of the source's namespace", async () => {
    const world = await worldWithSource();
    world.quotas.push(quota('tenant-a', { persistentvolumeclaims: '10' }, { persistentvolumeclaims: '9' }));
    world.quotas.push(quota('golden', { persistentvolumeclaims: '10' }, { persistentvolumeclaims: '9' }));
    expect(await warningsFor(world)).toEqual([
      'quota near (QuotaNear): needs 1 persistentvolumeclaims in tenant-a, 9 of 10 used (ResourceQuota/budget)',
    ]);
  });

  it('tells each thing once, and not more than four', async () => {
    const world = await worldWithSource();
    world.quotas.push(quota('golden', full, used), quota('golden', full, used));
    expect(await warningsFor(world)).toHaveLength(1);
    const many = ['persistentvolumeclaims', 'count/persistentvolumeclaims', 'requests.storage'];
    const none = Object.fromEntries(many.map((name) => [name, '0']));
    world.quotas.push(quota('tenant-a', none), quota('golden', none));
    expect(await warningsFor(world)).toHaveLength(4);
  });

  it('tells the administrator all figures', async () => {
    const world = await worldWithSource();
    world.quotas.push(quota('golden', full, { 'requests.storage': '8Gi' }));
    expect((await admit(world, cloneOf())).ruling.about?.quota).toEqual([
      'exceeded: needs 10Gi requests.storage in golden, 8Gi of 15Gi used (ResourceQuota/budget)',
    ]);
  });

  it('refuses where the administrator wants that, with the field, and without foreign figures', async () => {
    const world = await worldWithSource({ refuseOverQuota: true });
    world.quotas.push(quota('golden', full, { 'requests.storage': '8Gi' }));
    world.quotas.push(quota('tenant-a', { persistentvolumeclaims: '3' }, { persistentvolumeclaims: '3' }));
    const { response } = (await admit(world, cloneOf())).ruling;
    expect(response.status).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message:
        'QuotaExceeded: the clone does not fit: needs 1 persistentvolumeclaims in tenant-a, 3 of 3 used (ResourceQuota/budget); ' +
        'needs 10Gi requests.storage in golden, which is more than is left there. Free what is not needed, or ask for a larger quota',
      details: { causes: [{ reason: 'QuotaExceeded', field: 'spec.storage.resources.requests.storage' }] },
    });
  });

  it('does not refuse for a quota that is only near', async () => {
    const world = await worldWithSource({ refuseOverQuota: true });
    world.quotas.push(quota('tenant-a', { persistentvolumeclaims: '1' }));
    expect((await admit(world, cloneOf())).ruling.response.allowed).toBe(true);
  });
});

describe('advice', () => {
  it('is never given to somebody without the right, or whose right is not known', async () => {
    for (const answer of ['no', new Error('etcd is away')] as const) {
      const world = await worldWithSource({ volumeBindingMode: 'WaitForFirstConsumer', refuseOverQuota: true });
      world.writers.set('golden/fedora', ['vm-1']);
      world.quotas.push(quota('golden', { 'requests.storage': '0' }), quota('tenant-a', { 'requests.storage': '0' }));
      world.answer = answer;
      const { response } = (await admit(world, cloneOf())).ruling;
      expect(response.warnings).toBeUndefined();
      expect(JSON.stringify(response)).not.toMatch(/vm-1|Quota|quota/);
    }
  });

  it('does not change the answer by failing', async () => {
    const world = await worldWithSource();
    world.quotas.push(quota('tenant-a', { 'requests.storage': 'plenty' }));
    const { ruling } = await admit(world, cloneOf());
    expect(ruling.response).toEqual({ uid: 'validating', allowed: true });
  });

  it('that fails is reported', () => {
    const reported: unknown[] = [];
    const fail = (): never => {
      throw new TypeError('oops');
    };
    const advise = createAdvise({
      storage: fail,
      surroundings: { writersOf: fail, quotasOf: fail, limitsOf: fail },
      refuseOverQuota: true,
      log: { warn: (line: unknown) => void reported.push(line) },
    });
    const source = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' } as const;
    const record = { v: 1, id: 'x', outcome: 'chosen', strategy: 'copy' } as const;
    expect(advise({ volume: cloneOf({ storage }), source, record })).toEqual({ warnings: [], quota: [] });
    expect(reported).toHaveLength(1);
  });
});
